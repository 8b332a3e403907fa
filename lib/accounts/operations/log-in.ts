import { Injectable } from '@nestjs/common';
import {
  type IssuedTokens,
  type LogInOptions,
  SessionService,
  SessionUsageError,
  type UserSession,
} from '../../index.js';
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
import { RegistrationStore } from '../store/registration.store.js';
import { AccountRecheck } from './account-recheck.js';
import { LogInAttempts } from './log-in-attempts.js';
import { PasswordCheck } from './password-check.js';

/**
 * Begins sessions by password.
 *
 * | password                        | account                         | outcome               |
 * | ------------------------------- | ------------------------------- | --------------------- |
 * | of the latest registration only | any, or none                    | `email_not_verified`  |
 * | wrong otherwise                 | any, or none                    | `invalid_credentials` |
 * | right                           | disabled                        | `account_disabled`    |
 * | right                           | not verified, `requireVerified` | `email_not_verified`  |
 * | right                           | any other                       | a session             |
 *
 * Registering and then logging in therefore does not tell whether the address had an account before. With
 * `requireVerified: false` it does, because new accounts can be logged in to at once.
 */
@Injectable()
export class LogIn {
  constructor(
    private readonly registrations: RegistrationStore,
    private readonly sessions: SessionService,
    private readonly check: PasswordCheck,
    private readonly attempts: LogInAttempts,
    private readonly recheck: AccountRecheck,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
  ) {}

  /**
   * @throws InvalidCredentialsError, EmailNotVerifiedError, AccountDisabledError, TooManyAttemptsError,
   * RecoveryRequiredError
   * @throws SessionStoreUnavailableError when too many passwords wait to be checked; the attempt is not counted
   */
  async logIn(email: string, password: string, options: LogInOptions): Promise<[Account, IssuedTokens]> {
    refuseManager(options);
    return this.check.load.run(() => this.begin(email, password, options));
  }

  private async begin(email: string, password: string, options: LogInOptions): Promise<[Account, IssuedTokens]> {
    const attempt = await this.attempts.begin(email, options);
    const account = await this.prove(attempt.account, email, password);
    await attempt.succeeded();
    const claims = { ...options.claims, role: account.role };
    const recognise = options.recognise ?? options.exchange !== undefined;
    const tokens = await this.sessions.logIn(account.id, { ...options, claims, recognise });
    await this.recheck.run(account, password, tokens, options);
    this.events.emit({ type: 'account.logged-in', accountId: account.id, sessionId: tokens.session.id });
    return [account, tokens];
  }

  /** Renews the login of a session by the password. */
  async reauthenticate(session: UserSession, password: string, options: LogInOptions): Promise<IssuedTokens> {
    refuseManager(options);
    const account = await this.check.requirePassword(session, password, options);
    const tokens = await this.sessions.reauthenticate(session, options);
    await this.recheck.run(account, password, tokens, options);
    return tokens;
  }

  /** The account of the address, if the password is right and the account can be logged in to. */
  private async prove(account: Account | null, email: string, password: string): Promise<Account> {
    const registered = await this.registrations.find(emailKey(email));
    const [matches, matchesRegistration] = await Promise.all([
      this.check.matches(account?.passwordHash, password),
      // Without a registration the same work is done: one that waits for its verification must not take longer.
      this.options.requireVerified && this.check.matches(registered?.passwordHash, password),
    ]);
    const refusal = account && matches ? this.refusalFor(account) : this.refusalWithoutAccount(matchesRegistration);
    if (!account || refusal) throw this.check.refused(refusal ?? new InvalidCredentialsError(), account?.id);
    return account;
  }

  /** Only those who know the password learn this. */
  private refusalFor({ disabledAt, verifiedAt }: Account): AccountError | undefined {
    if (disabledAt) return new AccountDisabledError();
    return !verifiedAt && this.options.requireVerified ? new EmailNotVerifiedError() : undefined;
  }

  private refusalWithoutAccount(matchesRegistration: boolean): AccountError {
    return matchesRegistration ? new EmailNotVerifiedError() : new InvalidCredentialsError();
  }
}

/** The account is looked at again when others can see and end the session, which they cannot inside a transaction. */
function refuseManager({ manager }: LogInOptions): void {
  if (manager) throw new SessionUsageError('A login to an account takes no "manager": log in before your transaction');
}
