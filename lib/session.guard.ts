import {
  applyDecorators,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { SessionAuthenticator } from './http/session-authenticator.js';
import { attachSession } from './http/session-of.js';
import { describeDuration, parseDuration } from './common/duration.js';
import { OPTIONAL_SESSION, PUBLIC_ROUTE, RECENT_LOGIN } from './session.constants.js';
import { SessionMissingError } from './session.errors.js';
import type { UserSession } from './session.types.js';
import { SessionExchange } from './http/exchange.js';

/**
 * Admits requests that have a session. On methods, controllers, resolvers and gateways by `@UseGuards(SessionGuard)`,
 * everywhere by `{ provide: APP_GUARD, useExisting: SessionGuard }`.
 *
 * | the request has | route | `@OptionalSession()` | `@Public()` |
 * |---|---|---|---|
 * | a valid access token | session | session | no session |
 * | no credentials | `session_missing` | no session | no session |
 * | credentials that are refused | the refusal | the refusal | no session |
 *
 * It keeps no state. Subclasses may override the protected methods.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(
    protected readonly reflector: Reflector,
    protected readonly authenticator: SessionAuthenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const exchange = this.getExchange(context);
    try {
      const isPublic = this.is(PUBLIC_ROUTE, context);
      const session = isPublic ? undefined : await this.authenticator.authenticate(exchange);
      if (!session && !isPublic && !this.is(OPTIONAL_SESSION, context)) throw new SessionMissingError();
      this.attach(exchange, session, context);
      return true;
    } catch (error) {
      this.authenticator.refuse(exchange, error);
      return this.refuse(error, context);
    }
  }

  /** Where the credentials are; override it for gateways on `ws` and other transports. */
  protected getExchange(context: ExecutionContext): SessionExchange {
    return SessionExchange.of(context);
  }

  /** Keeps the session for `@CurrentSession()`; override it to set `request.user` as well. */
  protected attach(exchange: SessionExchange, session: UserSession | undefined, context: ExecutionContext): void {
    attachSession(exchange, session, context);
  }

  /** Turns a refusal into an exception; override it for transports with exceptions of their own. */
  protected refuse(error: unknown, _context: ExecutionContext): never {
    throw error;
  }

  private is(metadata: string, context: ExecutionContext): boolean {
    return this.reflector.getAllAndOverride<boolean>(metadata, [context.getHandler(), context.getClass()]) === true;
  }
}

/** Authenticates by itself, so that it works whatever the order of guards; a token that another guard verified is cached. */
@Injectable()
export class RecentLoginGuard extends SessionGuard {
  protected override attach(
    exchange: SessionExchange,
    session: UserSession | undefined,
    context: ExecutionContext,
  ): void {
    if (!session) throw new SessionMissingError();
    this.authenticator.requireRecentLogin(session, this.maxAgeOf(context));
    super.attach(exchange, session, context);
  }

  /** Milliseconds that may have passed since the login; a subclass may take them from elsewhere. */
  protected maxAgeOf(context: ExecutionContext): number {
    return this.reflector.getAllAndOverride<number>(RECENT_LOGIN, [context.getHandler(), context.getClass()]);
  }
}

/**
 * Admits only requests of users who have logged in recently (RFC 9470): for changing a password, an address, a payment.
 * `SessionService.reauthenticate` renews the login. Other requests answer `insufficient_user_authentication`.
 *
 * @param age such as `'5m'`
 * @throws Error for an age that is no duration
 */
export function RequireRecentLogin(age: string): ClassDecorator & MethodDecorator {
  const maxAge = parseDuration(age);
  if (maxAge === undefined) throw new Error(`@RequireRecentLogin('${age}'): ${describeDuration(age)}`);
  // Nearer than a controller's @Public(), which every guard would otherwise obey.
  return applyDecorators(
    SetMetadata(RECENT_LOGIN, maxAge),
    SetMetadata(PUBLIC_ROUTE, false),
    UseGuards(RecentLoginGuard),
  );
}
