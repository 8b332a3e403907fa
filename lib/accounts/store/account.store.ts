import type { Account, AccountChanges, AccountTransaction } from '../account.types.js';

/**
 * Keeps accounts. The module has an implementation on TypeORM (`TypeOrmAccountStore`); for users that are kept
 * elsewhere extend this class and name it in the option `store`. `nestjs-jwt-session/accounts/testing` has the tests
 * that an implementation must pass.
 *
 * A method with a transaction joins it: its writes commit or roll back with it. A store that is not on SessionModule's
 * data source passes `{}` to `run` of `change`, and sessions then end in their own statement.
 */
export abstract class AccountStore {
  /**
   * Adds a new account, in one atomic step.
   *
   * @returns false, and changes nothing, when an account has the same `emailKey`
   */
  abstract insert(account: Account, transaction?: AccountTransaction): Promise<boolean>;

  /** Null for an unknown id, also for one in another form. */
  abstract findById(id: string): Promise<Account | null>;

  /** @param emailKey as `Account.emailKey` */
  abstract findByEmail(emailKey: string): Promise<Account | null>;

  /**
   * Begins a transaction and locks the account in it, so that each of several callers for one account sees what the one
   * before it wrote. What `run` throws rolls back and is thrown on.
   *
   * @param run gets the account as it is now
   * @returns what `run` returns; null without calling it when there is no such account
   */
  abstract change<T>(
    id: string,
    run: (account: Account, transaction: AccountTransaction) => Promise<T>,
  ): Promise<T | null>;

  /**
   * Writes the given members and leaves the others. A verification also gives the fields of the registration; those that
   * have no column are left out, as in `insert`.
   *
   * @throws EmailTakenError when another account has that `emailKey`; the transaction is rolled back then
   */
  abstract update(id: string, changes: AccountChanges, transaction?: AccountTransaction): Promise<void>;

  /**
   * Removes the accounts that were created before `createdBefore` and have never been verified, logged in to or
   * disabled.
   *
   * @returns how many
   */
  abstract removeUnused(createdBefore: Date): Promise<number>;

  /**
   * The oldest accounts. Their passwords may be hashed with former parameters, and logins to unknown addresses must not
   * be faster.
   */
  abstract findOldest(limit: number): Promise<Account[]>;

  /** Removes the account; does nothing for an unknown id. */
  abstract remove(id: string, transaction?: AccountTransaction): Promise<void>;
}
