import { createSecretKey } from 'node:crypto';
import { Injectable, Module, UnauthorizedException } from '@nestjs/common';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { createVerifier } from 'fast-jwt';
import { ExtractJwt, Strategy } from 'passport-jwt';

/** A guard that admits the users that `verify` returns. */
function bearerGuard(verify) {
  class BearerGuard {
    async canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const [type, token] = request.headers.authorization?.split(' ') ?? [];
      if (type !== 'Bearer') throw new UnauthorizedException();
      try {
        request.user = await verify(token);
      } catch {
        throw new UnauthorizedException();
      }
      return true;
    }
  }
  Injectable()(BearerGuard);
  return BearerGuard;
}

/** `fast-jwt` with its cache, which by default has a thousand places. */
export function fastJwtGuard(publicKey) {
  return bearerGuard(fastJwtVerifier(publicKey));
}

export function fastJwtVerifier(publicKey) {
  const key = publicKey.export({ type: 'spki', format: 'pem' });
  return createVerifier({ key, algorithms: ['ES256'], cache: true });
}

/** `@nestjs/jwt` with a key that is parsed once. */
export function keyObjectGuard(jwt) {
  return bearerGuard(token => jwt.verifyAsync(token));
}

/** @param {import('node:crypto').KeyObject} publicKey */
export function es256(publicKey, privateKey) {
  const signOptions = { algorithm: 'ES256' };
  return new JwtService({ publicKey, privateKey, signOptions, verifyOptions: { algorithms: ['ES256'] } });
}

/** The cheapest signature there is, with a secret that is parsed once. */
export function hs256(secret) {
  return new JwtService({ secret: createSecretKey(secret, 'utf8'), verifyOptions: { algorithms: ['HS256'] } });
}

/** The `AuthGuard` of Nest's documentation, page "Authentication", with its string secret. */
export function documentedGuard(secret) {
  class DocumentedGuard {
    constructor(jwtService) {
      this.jwtService = jwtService;
    }

    async canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const token = this.extractTokenFromHeader(request);
      if (!token) throw new UnauthorizedException();
      try {
        request.user = await this.jwtService.verifyAsync(token, { secret });
      } catch {
        throw new UnauthorizedException();
      }
      return true;
    }

    extractTokenFromHeader(request) {
      const [type, token] = request.headers.authorization?.split(' ') ?? [];
      return type === 'Bearer' ? token : undefined;
    }
  }
  Reflect.defineMetadata('design:paramtypes', [JwtService], DocumentedGuard);
  Injectable()(DocumentedGuard);
  return { guard: DocumentedGuard, imports: [JwtModule.register({ secret, signOptions: { expiresIn: '1h' } })] };
}

/** `passport-jwt` as Nest's documentation sets it up, with a key that is parsed once. */
export function passportGuard(publicKey) {
  class JwtStrategy extends PassportStrategy(Strategy) {
    constructor() {
      super({
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        ignoreExpiration: false,
        secretOrKey: publicKey,
        algorithms: ['ES256'],
      });
    }

    validate(payload) {
      return { userId: payload.sub, sessionId: payload.sid };
    }
  }
  Injectable()(JwtStrategy);
  class PassportStrategies {}
  Module({ imports: [PassportModule], providers: [JwtStrategy] })(PassportStrategies);
  return { guard: AuthGuard('jwt'), imports: [PassportStrategies] };
}
