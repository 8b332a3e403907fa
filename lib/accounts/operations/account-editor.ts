import { Injectable } from '@nestjs/common';
import { type LogOutOptions, SessionService } from '../../index.js';
import { TokenInvalidError } from '../account.errors.js';
import type { Account, AccountChanges, AccountTransaction, MailRequest, TokenPurpose } from '../account.types.js';
import { MailTokens } from '../mail/mail-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { AccountDatabase } from '../store/account.database.js';
import { AccountStore } from '../store/account.store.js';
import type { StoredToken } from '../store/token.store.js';

/** A change of an account, and what goes with it. */
export interface AccountEdit {
  readonly changes: AccountChanges | 'remove';
  /** A mail to the owner. */
  readonly notice?: MailRequest;
  /** Ends the sessions of the account; `except` is the id of one that goes on. */
  readonly endSessions?: Pick<LogOutOptions, 'reason' | 'exchange'> & { readonly except?: string };
}

export interface EditedAccount {
  readonly account: Account;
  /** How many sessions were ended. */
  readonly ended: number;
}

/**
 * Changes accounts. The change itself, the removal of all links that were sent, the mail to the owner and the end of
 * sessions commit together.
 */
@Injectable()
export class AccountEditor {
  constructor(
    private readonly database: AccountDatabase,
    private readonly accounts: AccountStore,
    private readonly tokens: MailTokens,
    private readonly outbox: Outbox,
    private readonly sessions: SessionService,
  ) {}

  /** Adds the account unless its address has one, and queues the mail in any case. Returns whether it was added. */
  async create(account: Account, mail: MailRequest): Promise<boolean> {
    const isNew = await this.database.transaction(async transaction => {
      const inserted = await this.accounts.insert(account, transaction);
      await this.outbox.add(mail, transaction);
      return inserted;
    });
    this.outbox.wake();
    return isNew;
  }

  /**
   * @param decide gets the account as it is now; what it throws rolls everything back
   * @returns null without calling `decide` when there is no such account
   */
  async edit(
    accountId: string,
    decide: (account: Account, transaction: AccountTransaction) => AccountEdit | Promise<AccountEdit>,
  ): Promise<EditedAccount | null> {
    const edited = await this.accounts.change(accountId, async (account, transaction) => {
      const { changes, notice, endSessions } = await decide(account, transaction);
      await this.tokens.removeAll(accountId, transaction);
      if (changes === 'remove') {
        await this.outbox.removeAllOf(accountId, transaction);
        await this.accounts.remove(accountId, transaction);
      } else {
        await this.accounts.update(accountId, changes, transaction);
      }
      if (notice) await this.outbox.add(notice, transaction);
      const ended = endSessions ? await this.endSessions(accountId, endSessions, transaction) : 0;
      return { account: changes === 'remove' ? account : { ...account, ...changes }, ended };
    });
    if (edited) this.outbox.wake();
    return edited;
  }

  /**
   * The account of a token, without using the token up.
   *
   * @throws TokenInvalidError
   */
  async accountOf(token: string, purpose: TokenPurpose): Promise<Account> {
    const found = await this.tokens.find(token, purpose);
    const account = found && (await this.accounts.findById(found.accountId));
    if (!account) throw new TokenInvalidError();
    return account;
  }

  /**
   * Changes the account of a token and uses the token up.
   *
   * @throws TokenInvalidError
   */
  async redeem(
    token: string,
    purpose: TokenPurpose,
    decide: (account: Account, used: StoredToken) => AccountEdit,
  ): Promise<EditedAccount> {
    const { id } = await this.accountOf(token, purpose);
    const edited = await this.edit(id, async (account, transaction) => {
      const used = await this.tokens.use(token, purpose, transaction);
      if (!used || account.disabledAt) throw new TokenInvalidError();
      return decide(account, used);
    });
    if (!edited) throw new TokenInvalidError();
    return edited;
  }

  private endSessions(
    userId: string,
    { except, ...options }: NonNullable<AccountEdit['endSessions']>,
    transaction: AccountTransaction,
  ): Promise<number> {
    return except === undefined
      ? this.sessions.logOutAll(userId, { ...transaction, ...options })
      : this.sessions.logOutOthers({ id: except, userId }, { ...transaction, ...options });
  }
}
