import { Injectable } from '@nestjs/common';
import {
  InvalidRequestError,
  type IssuedTokens,
  type LogInOptions,
  SessionService,
  type UserSession,
} from '../../index.js';
import { Attempts } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import {
  AccountDisabledError,
  type AccountError,
  EmailNotVerifiedError,
  InvalidCredentialsError,
} from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { AccountStore } from '../store/account.store.js';
import { PasswordCheck } from './password-check.js';

/**
 * Begins sessions by password.
 *
 * | address  | password | account                         | outcome               |
 * | -------- | -------- | ------------------------------- | --------------------- |
 * | unknown  | any      | –                               | `invalid_credentials` |
 * | known    | wrong    | any                             | `invalid_credentials` |
 * | known    | right    | disabled                        | `account_disabled`    |
 * | known    | right    | not verified, `requireVerified` | `email_not_verified`  |
 * | known    | right    | any other                       | a session             |
 */
@Injectable()
export class LogIn {
  constructor(
    private readonly accounts: AccountStore,
    private readonly sessions: SessionService,
    private readonly check: PasswordCheck,
    private readonly attempts: Attempts,
    private readonly hasher: PasswordHasher,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
  ) {}

  /** @throws InvalidCredentialsError, EmailNotVerifiedError, AccountDisabledError, TooManyAttemptsError */
  async logIn(email: string, password: string, options: LogInOptions): Promise<[Account, IssuedTokens]> {
    refuseManager(options);
    await this.attempts.consume('logIn', email, options);
    const account = await this.accounts.findByEmail(emailKey(email));
    const matches = await this.check.matches(account, password);
    if (!account || !matches) throw this.check.refused(new InvalidCredentialsError(), account?.id);
    const refusal = this.refusalFor(account);
    if (refusal) throw this.check.refused(refusal, account.id);
    await this.attempts.succeeded(email, options);
    const claims = { ...options.claims, role: account.role };
    const tokens = await this.sessions.logIn(account.id, { ...options, claims });
    await this.recheckAccount(account, password, tokens, options);
    this.events.emit({ type: 'account.logged-in', accountId: account.id, sessionId: tokens.session.id });
    return [account, tokens];
  }

  /** Renews the login of a session by the password. */
  async reauthenticate(session: UserSession, password: string, options: LogInOptions): Promise<IssuedTokens> {
    refuseManager(options);
    const account = await this.check.requirePassword(session.userId, password, options);
    const tokens = await this.sessions.reauthenticate(session, options);
    await this.recheckAccount(account, password, tokens, options);
    return tokens;
  }

  /** Only those who know the password learn this. */
  private refusalFor({ disabledAt, verifiedAt }: Account): AccountError | undefined {
    if (disabledAt) return new AccountDisabledError();
    return !verifiedAt && this.options.requireVerified ? new EmailNotVerifiedError() : undefined;
  }

  /**
   * The account may have been disabled, or its password changed, while this login was under way, and that change has
   * ended only the sessions of then. `change` waits for it, so that the later of the two sees the other. The password is
   * hashed again where parameters were raised since.
   */
  private async recheckAccount(
    { id, passwordHash }: Account,
    password: string,
    { session }: IssuedTokens,
    { exchange }: LogInOptions,
  ): Promise<void> {
    const rehashed = this.hasher.needsRehash(passwordHash) ? await this.hasher.hash(password) : undefined;
    const isUnchanged = await this.accounts.change(id, async (now, transaction) => {
      if (now.disabledAt) return false;
      // Another login may have hashed it again.
      if (now.passwordHash !== passwordHash) return this.hasher.verify(now.passwordHash, password);
      if (rehashed !== undefined) await this.accounts.update(id, { passwordHash: rehashed }, transaction);
      return true;
    });
    if (isUnchanged) return;
    await this.sessions.logOut(session.id, { exchange, reason: 'account-changed' });
    throw this.check.refused(new InvalidCredentialsError(), id);
  }
}

/** The account is looked at again when others can see and end the session, which they cannot inside a transaction. */
function refuseManager({ manager }: LogInOptions): void {
  if (manager)
    throw new InvalidRequestError('A login to an account takes no "manager": log in before your transaction');
}
