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

  /** Answers at once where the token is known and nobody must be asked. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const exchange = this.getExchange(context);
    try {
      if (this.is(PUBLIC_ROUTE, context)) return this.letIn(exchange, undefined, context);
      const session = this.authenticator.authenticate(exchange);
      if (session instanceof Promise) return this.decideLater(exchange, session, context);
      return this.decide(exchange, session, context);
    } catch (error) {
      return this.turnAway(exchange, error, context);
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

  private async decideLater(
    exchange: SessionExchange,
    session: Promise<UserSession | undefined>,
    context: ExecutionContext,
  ): Promise<boolean> {
    try {
      return this.decide(exchange, await session, context);
    } catch (error) {
      return this.turnAway(exchange, error, context);
    }
  }

  private decide(exchange: SessionExchange, session: UserSession | undefined, context: ExecutionContext): boolean {
    if (!session && !this.is(OPTIONAL_SESSION, context)) throw new SessionMissingError();
    return this.letIn(exchange, session, context);
  }

  private letIn(exchange: SessionExchange, session: UserSession | undefined, context: ExecutionContext): boolean {
    this.attach(exchange, session, context);
    return true;
  }

  private turnAway(exchange: SessionExchange, error: unknown, context: ExecutionContext): never {
    this.authenticator.refuse(exchange, error);
    return this.refuse(error, context);
  }

  private is(metadata: string, context: ExecutionContext): boolean {
    return this.reflector.getAllAndOverride<boolean>(metadata, [context.getHandler(), context.getClass()]) === true;
  }
}
