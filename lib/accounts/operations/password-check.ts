import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { NotWhileImpersonatingError, SessionRevokedError, type UserSession } from '../../index.js';
import { randomBytes } from '../../common/random.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { AccountDisabledError, type AccountError, InvalidCredentialsError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordLoad } from '../passwords/password-load.js';
import { AccountStore } from '../store/account.store.js';

/** How many of the oldest accounts are searched for a hash with former parameters, at start. */
const MAX_SAMPLED_ACCOUNTS = 100;

/**
 * Checks passwords, in the same time for known and unknown addresses. While some accounts have hashes with former
 * parameters, which are faster or slower to verify, each check verifies one hash of either kind in parallel.
 */
@Injectable()
export class PasswordCheck implements OnApplicationBootstrap {
  /** A hash with the current parameters that no password has. */
  private present!: string;
  /** A hash with former parameters, where there are any. */
  private former?: string;

  constructor(
    private readonly accounts: AccountStore,
    private readonly hasher: PasswordHasher,
    private readonly attempts: Attempts,
    private readonly events: AccountEvents,
    readonly load: PasswordLoad,
  ) {}

  // After every provider's `onModuleInit`, in which the hasher is prepared, and before the first request.
  async onApplicationBootstrap(): Promise<void> {
    this.present = await this.hasher.hash(randomBytes(32).toString('base64'));
    const oldest = await this.accounts.findOldest(MAX_SAMPLED_ACCOUNTS);
    this.former = oldest.find(({ passwordHash }) => this.hasher.needsRehash(passwordHash))?.passwordHash;
  }

  /** Whether it is the password of the hash. Without a hash the same work is done. */
  async matches(passwordHash: string | undefined, password: string): Promise<boolean> {
    const isFormer = passwordHash !== undefined && this.hasher.needsRehash(passwordHash);
    if (isFormer) this.former = passwordHash;
    const other = isFormer ? this.present : this.former;
    const [matches] = await Promise.all([
      this.hasher.verify(passwordHash ?? this.present, password),
      // Only its time matters. It fails where the pepper of that hash was removed.
      other === undefined ? undefined : this.hasher.verify(other, password).catch(() => false),
    ]);
    return passwordHash !== undefined && matches;
  }

  /**
   * The account of a session whose user proves the password again.
   *
   * @throws SessionRevokedError when the account does not exist any more
   * @throws InvalidCredentialsError, AccountDisabledError, TooManyAttemptsError, RecoveryRequiredError
   * @throws SessionStoreUnavailableError when too many passwords wait to be checked; the attempt is not counted
   */
  requirePassword(session: UserSession, password: string, caller: Caller): Promise<Account> {
    return this.load.run(() => this.provePassword(session, password, caller));
  }

  private async provePassword({ id, userId, actor }: UserSession, password: string, caller: Caller): Promise<Account> {
    // Here, because every change of credentials asks for the password, also in routes of the application's own.
    if (actor) throw new NotWhileImpersonatingError();
    const account = await this.accounts.findById(userId);
    if (!account) throw new SessionRevokedError();
    await this.attempts.consume('logIn', { session: id }, caller);
    if (!(await this.matches(account.passwordHash, password))) {
      throw this.refused(new InvalidCredentialsError(), userId);
    }
    if (account.disabledAt) throw this.refused(new AccountDisabledError(), userId);
    await this.attempts.succeeded({ session: id }, caller);
    return account;
  }

  /** Emits the event of a refusal, and returns the refusal to be thrown. */
  refused(error: AccountError, accountId?: string): AccountError {
    this.events.emit({
      type: 'account.refused',
      code: error.errorCode,
      ...(accountId === undefined ? {} : { accountId }),
    });
    return error;
  }
}

/**
 * For the transaction that acts on a proof of the password: the account is locked there, and may have changed since.
 *
 * @param proved the account whose password was proved
 * @throws SessionRevokedError when it was disabled; InvalidCredentialsError when it has another password by now
 */
export function requireSamePassword(proved: Account, now: Account): void {
  if (now.disabledAt) throw new SessionRevokedError();
  if (now.passwordHash !== proved.passwordHash) throw new InvalidCredentialsError();
}
