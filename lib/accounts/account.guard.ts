import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import {
  SessionAuthenticator,
  type SessionExchange,
  SessionGuard,
  SessionMissingError,
  type UserSession,
} from '../index.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';

/** Lets in only those who have logged in lately, as the option `recentLogin` says. */
@Injectable()
export class AccountRecentLoginGuard extends SessionGuard {
  /** @internal Nest makes it. */
  constructor(
    reflector: Reflector,
    authenticator: SessionAuthenticator,
    private readonly options: ResolvedAccountOptions,
  ) {
    super(reflector, authenticator);
  }

  protected override attach(
    exchange: SessionExchange,
    session: UserSession | undefined,
    context: ExecutionContext,
  ): void {
    if (!session) throw new SessionMissingError();
    this.authenticator.requireRecentLogin(session, this.options.recentLogin);
    super.attach(exchange, session, context);
  }
}
