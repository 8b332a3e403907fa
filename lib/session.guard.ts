import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { SessionAuthenticator } from './access-token/session-authenticator.js';
import { attachSession } from './decorators/session-of.js';
import { OPTIONAL_SESSION, PUBLIC_ROUTE } from './session.constants.js';
import { SessionMissingError } from './session.errors.js';
import type { UserSession } from './session.types.js';
import { SessionExchange } from './transport/exchange.js';

/**
 * Lets in whoever has a session, without a query. On methods, controllers, resolvers and gateways by
 * `@UseGuards(SessionGuard)`, everywhere by `{ provide: APP_GUARD, useExisting: SessionGuard }`.
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
      const session = this.is(PUBLIC_ROUTE, context) ? undefined : await this.authenticate(exchange, context);
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

  private async authenticate(exchange: SessionExchange, context: ExecutionContext): Promise<UserSession | undefined> {
    const session = await this.authenticator.authenticate(exchange);
    if (!session && !this.is(OPTIONAL_SESSION, context)) throw new SessionMissingError();
    return session;
  }

  private is(metadata: string, context: ExecutionContext): boolean {
    return this.reflector.getAllAndOverride<boolean>(metadata, [context.getHandler(), context.getClass()]) === true;
  }
}
