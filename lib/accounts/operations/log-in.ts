import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import {
  InvalidRequestError,
  type IssuedTokens,
  type LogInOptions,
  SessionRevokedError,
  SessionService,
  type UserSession,
} from '../../index.js';
import { randomBytes } from '../../common/random.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import {
  AccountDisabledError,
  AccountError,
  EmailNotVerifiedError,
  InvalidCredentialsError,
} from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { AccountStore } from '../store/account.store.js';

/** Proofs of a password. */
@Injectable()
export class LogIn implements OnApplicationBootstrap {
  private dummyHash!: string;

  constructor(
    private readonly accounts: AccountStore,
    private readonly sessions: SessionService,
    private readonly attempts: Attempts,
    private readonly hasher: PasswordHasher,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
  ) {}

  // After every provider's `onModuleInit`, in which the hasher is prepared, and before the first request.
  async onApplicationBootstrap(): Promise<void> {
    this.dummyHash = await this.hasher.hash(randomBytes(32).toString('base64'));
  }

  /** @throws InvalidCredentialsError, EmailNotVerifiedError, AccountDisabledError, TooManyAttemptsError */
  async logIn(email: string, password: string, options: LogInOptions): Promise<[Account, IssuedTokens]> {
    refuseManager(options);
    await this.attempts.take('logIn', email, options);
    const account = await this.accounts.findByEmail(emailKey(email));
    await this.prove(account, password);
    const mistake = this.obstacle(account!);
    if (mistake) throw this.refused(mistake, account!.id);
    await this.attempts.succeeded(email, options);
    const claims = { ...options.claims, role: account!.role };
    const tokens = await this.sessions.logIn(account!.id, { ...options, claims });
    await this.settle(account!, password, tokens, options);
    this.events.emit({ type: 'account.logged-in', accountId: account!.id, sessionId: tokens.session.id });
    return [account!, tokens];
  }

  /** The password again, for a session that is open. */
  async reauthenticate(session: UserSession, password: string, options: LogInOptions): Promise<IssuedTokens> {
    refuseManager(options);
    const account = await this.requirePassword(session.userId, password, options);
    const tokens = await this.sessions.reauthenticate(session, options);
    await this.settle(account, password, tokens, options);
    return tokens;
  }

  /**
   * @throws SessionRevokedError when there is no such account any more
   * @throws InvalidCredentialsError, AccountDisabledError, TooManyAttemptsError
   */
  async requirePassword(accountId: string, password: string, caller: Caller): Promise<Account> {
    const account = await this.accounts.findById(accountId);
    if (!account) throw new SessionRevokedError();
    await this.attempts.take('logIn', account.email, caller);
    await this.prove(account, password);
    if (account.disabledAt) throw this.refused(new AccountDisabledError(), account.id);
    await this.attempts.succeeded(account.email, caller);
    return account;
  }

  private async prove(account: Account | null, password: string): Promise<void> {
    // A hash is computed in any case, so that the time taken does not tell which addresses have an account.
    const matches = await this.hasher.verify(account?.passwordHash ?? this.dummyHash, password);
    if (!account || !matches) throw this.refused(new InvalidCredentialsError(), account?.id);
  }

  /** What is told only to those who know the password. */
  private obstacle({ disabledAt, verifiedAt }: Account): AccountError | undefined {
    if (disabledAt) return new AccountDisabledError();
    return !verifiedAt && this.options.requireVerified ? new EmailNotVerifiedError() : undefined;
  }

  /**
   * The account may have been disabled, or its password changed, while this login was under way, and who did that has
   * ended the sessions there were. `change` waits for them, so that whichever is later sees the other. The password is
   * hashed anew on the way, where parameters were raised since.
   */
  private async settle(
    { id, passwordHash }: Account,
    password: string,
    { session }: IssuedTokens,
    { exchange }: LogInOptions,
  ): Promise<void> {
    const raised = this.hasher.needsRehash(passwordHash) ? await this.hasher.hash(password) : undefined;
    const stands = await this.accounts.change(id, async (now, transaction) => {
      if (now.disabledAt) return false;
      // Also another login may have hashed it anew.
      if (now.passwordHash !== passwordHash) return this.hasher.verify(now.passwordHash, password);
      if (raised !== undefined) await this.accounts.update(id, { passwordHash: raised }, transaction);
      return true;
    });
    if (stands) return;
    await this.sessions.logOut(session.id, { exchange, reason: 'account-changed' });
    throw this.refused(new InvalidCredentialsError(), id);
  }

  private refused(error: AccountError, accountId?: string): AccountError {
    this.events.emit({
      type: 'account.refused',
      code: error.errorCode,
      ...(accountId === undefined ? {} : { accountId }),
    });
    return error;
  }
}

/** A login looks at the account again when its session is there for others to end, which in a transaction it is not yet. */
function refuseManager({ manager }: LogInOptions): void {
  if (manager)
    throw new InvalidRequestError('A login to an account takes no "manager": log in before your transaction');
}
