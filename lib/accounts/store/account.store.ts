import type { Account, AccountChanges, AccountTransaction } from '../account.types.js';

/**
 * Where accounts are kept. The module brings one on TypeORM (`TypeOrmAccountStore`); for users that are kept otherwise
 * extend this class and name it in the option `store`. `nestjs-jwt-session/accounts/testing` has the tests that an
 * implementation must pass.
 *
 * Whatever a transaction is handed over with joins it: what is written commits or rolls back with it. A store that is not
 * on SessionModule's data source hands over `{}` instead, and sessions then end in a statement of their own.
 */
export abstract class AccountStore {
  /**
   * Keeps a new account, in one atomic step.
   *
   * @returns false, and changes nothing, when there is one with the same `emailKey`
   */
  abstract insert(account: Account, transaction?: AccountTransaction): Promise<boolean>;

  /** Null for an unknown id, also for one of a form that no account has. */
  abstract findById(id: string): Promise<Account | null>;

  /** @param emailKey as `Account.emailKey` */
  abstract findByEmail(emailKey: string): Promise<Account | null>;

  /**
   * Begins a transaction and holds the account in it, so that of several callers for one account each sees what the one
   * before it left. What `run` throws rolls back and is thrown on.
   *
   * @param run gets the account as it is now
   * @returns what `run` returns; null without calling it when there is no such account
   */
  abstract change<T>(
    id: string,
    run: (account: Account, transaction: AccountTransaction) => Promise<T>,
  ): Promise<T | null>;

  /**
   * Writes the given members; the others stay.
   *
   * @throws EmailTakenError when another account has that `emailKey`; the transaction is rolled back then
   */
  abstract update(id: string, changes: AccountChanges, transaction?: AccountTransaction): Promise<void>;

  /** Removes the account; without one nothing happens. */
  abstract remove(id: string, transaction?: AccountTransaction): Promise<void>;
}
