import { Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { SessionAuthenticator, SessionGuard } from '../index.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';

/** Lets in only those whose last login is as recent as the option `recentLogin` says. */
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

  protected override maxAgeOf(): number {
    return this.options.recentLogin;
  }
}
