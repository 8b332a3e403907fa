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
 * `@RequireRecentLogin()` asks for a session on every route, even if it is public or optional.
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
    const maxAge = this.maxAgeOf(context);
    // Before the request is looked for: with the guard as APP_GUARD, public handlers of other transports may have none.
    if (maxAge === undefined && this.is(PUBLIC_ROUTE, context)) {
      attachSession(context, undefined);
      return true;
    }
    const exchange = this.getExchange(context);
    try {
      const session = await this.authenticator.authenticate(exchange);
      const isOptional = maxAge === undefined && this.is(OPTIONAL_SESSION, context);
      if (!session && !isOptional) throw new SessionMissingError();
      if (session && maxAge !== undefined) this.authenticator.requireRecentLogin(session, maxAge);
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
    attachSession(context, session, exchange.request);
  }

  /** Turns a refusal into an exception; override it for transports with exceptions of their own. */
  protected refuse(error: unknown, _context: ExecutionContext): never {
    throw error;
  }

  /** Milliseconds that may have passed since the login; undefined where a login of any age is enough. */
  protected maxAgeOf(context: ExecutionContext): number | undefined {
    return this.reflector.getAllAndOverride<number | undefined>(RECENT_LOGIN, [
      context.getHandler(),
      context.getClass(),
    ]);
  }

  private is(metadata: string, context: ExecutionContext): boolean {
    return this.reflector.getAllAndOverride<boolean>(metadata, [context.getHandler(), context.getClass()]) === true;
  }
}

/**
 * Admits only requests of users who have logged in recently (RFC 9470): for changing a password, an address, a payment.
 * `SessionService.reauthenticate` renews the login. Other requests answer `insufficient_user_authentication`.
 *
 * In tests `overrideGuard(SessionGuard)` replaces this check as well; `FakeSessionGuard` answers it.
 *
 * @param age such as `'5m'`
 * @throws Error for an age that is no duration
 */
export function RequireRecentLogin(age: string): ClassDecorator & MethodDecorator {
  const maxAge = parseDuration(age);
  if (maxAge === undefined) throw new Error(`@RequireRecentLogin('${age}'): ${describeDuration(age)}`);
  return applyDecorators(SetMetadata(RECENT_LOGIN, maxAge), UseGuards(SessionGuard));
}
