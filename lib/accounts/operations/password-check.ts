import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SessionRevokedError } from '../../index.js';
import { randomBytes } from '../../common/random.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { AccountDisabledError, type AccountError, InvalidCredentialsError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { AccountStore } from '../store/account.store.js';

/** Checks passwords, at the same cost for known and unknown addresses. */
@Injectable()
export class PasswordCheck implements OnApplicationBootstrap {
  private dummyHash!: string;

  constructor(
    private readonly accounts: AccountStore,
    private readonly hasher: PasswordHasher,
    private readonly attempts: Attempts,
    private readonly events: AccountEvents,
  ) {}

  // After every provider's `onModuleInit`, in which the hasher is prepared, and before the first request.
  async onApplicationBootstrap(): Promise<void> {
    this.dummyHash = await this.hasher.hash(randomBytes(32).toString('base64'));
  }

  /** Whether it is the password of the account. Without an account a hash is computed all the same. */
  async matches(account: Account | null, password: string): Promise<boolean> {
    const matches = await this.hasher.verify(account?.passwordHash ?? this.dummyHash, password);
    return account !== null && matches;
  }

  /**
   * The account of a session whose user proves the password again.
   *
   * @throws SessionRevokedError when the account does not exist any more
   * @throws InvalidCredentialsError, AccountDisabledError, TooManyAttemptsError
   */
  async requirePassword(accountId: string, password: string, caller: Caller): Promise<Account> {
    const account = await this.accounts.findById(accountId);
    if (!account) throw new SessionRevokedError();
    await this.attempts.consume('logIn', account.email, caller);
    if (!(await this.matches(account, password))) throw this.refused(new InvalidCredentialsError(), accountId);
    if (account.disabledAt) throw this.refused(new AccountDisabledError(), accountId);
    await this.attempts.succeeded(account.email, caller);
    return account;
  }

  /** Announces a refusal, and returns it to be thrown. */
  refused(error: AccountError, accountId?: string): AccountError {
    this.events.emit({
      type: 'account.refused',
      code: error.errorCode,
      ...(accountId === undefined ? {} : { accountId }),
    });
    return error;
  }
}
