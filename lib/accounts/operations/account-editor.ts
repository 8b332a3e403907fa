import { Injectable } from '@nestjs/common';
import { type LogOutOptions, SessionService } from '../../index.js';
import { emailKey } from '../account.email.js';
import { TokenInvalidError, TokenUsedError } from '../account.errors.js';
import type { Account, AccountChanges, AccountTransaction, LinkPurpose, MailRequest } from '../account.types.js';
import { MailTokens } from '../mail/mail-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { AccountDatabase } from '../store/account.database.js';
import { AccountStore } from '../store/account.store.js';
import { RegistrationStore } from '../store/registration.store.js';
import type { StoredToken } from '../store/token.store.js';

/** A change of an account, and what goes with it. */
export interface AccountEdit {
  readonly changes: AccountChanges | 'remove';
  /** A mail to the owner. */
  readonly notice?: MailRequest;
  /** Ends the sessions of the account; `except` is the id of one that goes on. */
  readonly endSessions?: Pick<LogOutOptions, 'reason' | 'exchange'> & { readonly except?: string };
  /** Forgets the devices on which the account was logged in to. */
  readonly forgetDevices?: boolean;
}

export interface EditedAccount {
  readonly account: Account;
  /** How many sessions were ended. */
  readonly ended: number;
  /** False where the link had changed the account before. */
  readonly isNew: boolean;
}

/** A link whose token is valid, or was valid until it was used. */
export interface FoundLink {
  readonly account: Account;
  readonly email: string;
  readonly used: boolean;
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
    private readonly registrations: RegistrationStore,
    private readonly outbox: Outbox,
    private readonly sessions: SessionService,
  ) {}

  /**
   * Adds the account unless its address has one. The registration and the mail are stored in any case.
   *
   * @param lifetime milliseconds for which the registration is remembered
   * @returns whether the account was added
   */
  create(account: Account, mail: MailRequest, lifetime: number): Promise<boolean> {
    return this.database.transaction(async transaction => {
      const isNew = await this.accounts.insert(account, transaction);
      await this.registrations.put(account.emailKey, account.passwordHash, lifetime, transaction);
      await this.outbox.send(mail, transaction);
      return isNew;
    });
  }

  /**
   * @param decide gets the account as it is now; what it throws rolls everything back, and undefined changes nothing
   * @returns null without calling `decide` when there is no such account
   */
  edit(
    accountId: string,
    decide: (
      account: Account,
      transaction: AccountTransaction,
    ) => AccountEdit | undefined | Promise<AccountEdit | undefined>,
  ): Promise<EditedAccount | null> {
    return this.accounts.change(accountId, async (account, transaction) => {
      const edit = await decide(account, transaction);
      if (!edit) return { account, ended: 0, isNew: false };
      const ended = edit.endSessions ? await this.endSessions(accountId, edit.endSessions, transaction) : 0;
      if (edit.changes === 'remove') {
        await this.tokens.removeAll(accountId, transaction);
        await this.accounts.remove(accountId, transaction);
      } else {
        await this.tokens.removeLinks(accountId, transaction);
        if (edit.forgetDevices) await this.tokens.removeDevices(accountId, transaction);
        await this.accounts.update(accountId, edit.changes, transaction);
      }
      if (edit.notice) await this.outbox.send(edit.notice, transaction);
      const changes = edit.changes === 'remove' ? {} : edit.changes;
      return { account: { ...account, ...changes }, ended, isNew: true };
    });
  }

  /**
   * The account of a link, without using the token up.
   *
   * @throws TokenInvalidError
   */
  async find(token: string, purpose: LinkPurpose): Promise<FoundLink> {
    const found = await this.tokens.find(token, purpose);
    const account = found && (await this.accounts.findById(found.accountId));
    if (!account) throw new TokenInvalidError();
    return { account, email: found.email, used: found.used };
  }

  /**
   * Changes the account of a link and uses the token up.
   *
   * @param isDone whether an account is as the link has left it; a second click then changes nothing and succeeds
   * @throws TokenInvalidError, TokenUsedError
   */
  async redeem(
    token: string,
    purpose: LinkPurpose,
    decide: (
      account: Account,
      link: StoredToken,
      transaction: AccountTransaction,
    ) => AccountEdit | Promise<AccountEdit>,
    isDone: (account: Account, link: StoredToken) => boolean = () => false,
  ): Promise<EditedAccount> {
    const found = await this.tokens.find(token, purpose);
    const edited =
      found &&
      (await this.edit(found.accountId, async (account, transaction) => {
        const link = await this.tokens.use(token, purpose, transaction);
        if (!link || account.disabledAt) throw new TokenInvalidError();
        if (link.used && isDone(account, link)) return undefined;
        if (link.used) throw new TokenUsedError();
        await this.registrations.remove(account.emailKey, transaction);
        return decide(account, link, transaction);
      }));
    if (!edited) throw new TokenInvalidError();
    return edited;
  }

  /** An unverified account of the address, other than the given one. */
  async findUnverified(email: string, except: string): Promise<string | undefined> {
    const account = await this.accounts.findByEmail(emailKey(email));
    return account && !account.verifiedAt && account.id !== except ? account.id : undefined;
  }

  /** Removes an account whose address belongs to somebody else. */
  async removeUnverified(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.sessions.logOutAll(accountId, { ...transaction, reason: 'account-deleted' });
    await this.tokens.removeAll(accountId, transaction);
    await this.accounts.remove(accountId, transaction);
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
