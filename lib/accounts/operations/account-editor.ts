import { Injectable } from '@nestjs/common';
import { KnownDevices, type LogOutOptions, type SessionExchange, SessionService } from '../../index.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import { EmailTakenError, TokenInvalidError, TokenUsedError } from '../account.errors.js';
import type { Account, AccountChanges, AccountTransaction, LinkPurpose, MailRequest } from '../account.types.js';
import { MailTokens } from '../mail/mail-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { AccountDatabase } from '../store/account.database.js';
import { AccountStore } from '../store/account.store.js';
import { RegistrationStore } from '../store/registration.store.js';
import type { StoredToken } from '../store/token.store.js';

/** How often a change starts again when others register the address that it needs. */
const MAX_CLAIMS = 5;

/** More sessions than that are ended together with all others of the account. */
const MAX_ENDED_ONE_BY_ONE = 50;

/** A change of an account, and what goes with it. */
export interface AccountEdit {
  readonly changes: AccountChanges | 'remove';
  /** Mails to the owner. */
  readonly notices?: readonly MailRequest[];
  /** Ends the sessions of the account; `except` is the id of one that continues. */
  readonly endSessions?: Pick<LogOutOptions, 'reason' | 'exchange'> & { readonly except?: string };
  /** Forgets the devices on which the account was logged in to; `except` is the request of one that stays known. */
  readonly forgetDevices?: { readonly except?: SessionExchange };
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
    private readonly devices: KnownDevices,
    private readonly attempts: Attempts,
  ) {}

  /**
   * Adds the account unless its address has one. The registration and the mail are stored in any case.
   *
   * @param fields columns of the application's own
   * @param lifetime milliseconds for which the registration is remembered
   * @returns whether the account was added
   */
  create(account: Account, fields: Record<string, unknown>, mail: MailRequest, lifetime: number): Promise<boolean> {
    return this.database.transaction(async transaction => {
      const isNew = await this.accounts.insert({ ...fields, ...account }, transaction);
      const { emailKey: key, passwordHash } = account;
      await this.registrations.put(key, { passwordHash, fields }, lifetime, transaction);
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
      const isRemoved = edit.changes === 'remove';
      const ended = edit.endSessions ? await this.endSessions(accountId, edit.endSessions, isRemoved, transaction) : 0;
      if (edit.changes === 'remove') {
        await this.tokens.removeAll(accountId, transaction);
        await this.accounts.remove(accountId, transaction);
      } else {
        await this.tokens.removeLinks(accountId, transaction);
        if (edit.forgetDevices) await this.devices.forget(accountId, { ...edit.forgetDevices, ...transaction });
        await this.accounts.update(accountId, edit.changes, transaction);
      }
      for (const notice of edit.notices ?? []) await this.outbox.send(notice, transaction);
      const changes = edit.changes === 'remove' ? {} : edit.changes;
      return { account: { ...account, ...changes }, ended, isNew: true };
    });
  }

  /**
   * The account of a link, without using the token up. An unused token counts as an attempt: the password that comes
   * with it may be a guess, and costs a hash.
   *
   * @throws TokenInvalidError, TooManyAttemptsError, RecoveryRequiredError
   */
  async find(token: string, purpose: LinkPurpose, caller: Caller): Promise<FoundLink> {
    const found = await this.tokens.find(token, purpose);
    const account = found && (await this.accounts.findById(found.accountId));
    if (!account) throw new TokenInvalidError();
    if (!found.used) await this.attempts.consume('logIn', { link: token }, caller);
    return { account, email: found.email, used: found.used };
  }

  /**
   * Changes the account of a link and uses the token up. `find` comes first.
   *
   * @param isDone whether an account is as the link has left it; a second click then changes nothing and succeeds
   * @throws TokenInvalidError, TokenUsedError
   */
  async redeem(
    token: string,
    purpose: LinkPurpose,
    caller: Caller,
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
    if (edited.isNew) await this.attempts.succeeded({ link: token }, caller);
    return edited;
  }

  /**
   * Ends the session of a link and those that began after it, and forgets its device. The owner has got no mail about
   * these, because the device was a known one by then. The link is used up in the same transaction.
   *
   * @throws TokenInvalidError, TokenUsedError
   */
  async endSession(token: string): Promise<{ accountId: string; sessionId: string; ended: number }> {
    const found = await this.tokens.find(token, 'end-session');
    if (!found?.sessionId) throw new TokenInvalidError();
    const { accountId, sessionId } = found;
    // Before the transaction, which would otherwise wait for a second connection.
    const later = (await this.sessions.list(accountId)).filter(({ id }) => timeOf(id) >= timeOf(sessionId));
    return this.database.transaction(async transaction => {
      const link = await this.tokens.use(token, 'end-session', transaction);
      if (!link) throw new TokenInvalidError();
      if (link.used) throw new TokenUsedError();
      await this.devices.forget(accountId, { sessionId, ...transaction });
      return { accountId, sessionId, ended: await this.endEach(accountId, later, transaction) };
    });
  }

  /**
   * Makes a change that gives an account an address which its owner has proved. Another account that has the address
   * without having verified it is removed, also one that is registered at the same moment.
   *
   * @param onRemoved gets each account that was removed
   * @throws EmailTakenError when another account has verified the address
   */
  async claimAddress<T>(
    email: string,
    accountId: string,
    change: () => Promise<T>,
    onRemoved: (removed: EditedAccount) => void,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const other = await this.accounts.findByEmail(emailKey(email));
      if (other && other.id !== accountId) {
        const removed = await this.removeUnverified(other);
        if (removed?.isNew === false) throw new EmailTakenError();
        if (removed) onRemoved(removed);
      }
      try {
        return await change();
      } catch (error) {
        if (!(error instanceof EmailTakenError) || attempt === MAX_CLAIMS) throw error;
      }
    }
  }

  private async endEach(
    userId: string,
    sessions: readonly { id: string }[],
    transaction: AccountTransaction,
  ): Promise<number> {
    const options = { ...transaction, reason: 'sign-in-reported' };
    // An intruder could begin so many that the link would fail.
    if (sessions.length > MAX_ENDED_ONE_BY_ONE) return this.sessions.logOutAll(userId, options);
    let ended = 0;
    for (const { id } of sessions) if (await this.sessions.logOut(id, { ...options, userId })) ended++;
    return ended;
  }

  /** Null when the account has gone meanwhile; `isNew` is false when it stays. */
  private removeUnverified({ id }: Account): Promise<EditedAccount | null> {
    return this.edit(id, now =>
      now.verifiedAt ? undefined : { changes: 'remove', endSessions: { reason: 'account-deleted' } },
    );
  }

  private endSessions(
    userId: string,
    { except, ...options }: NonNullable<AccountEdit['endSessions']>,
    erases: boolean,
    transaction: AccountTransaction,
  ): Promise<number> {
    if (erases) return this.sessions.erase(userId, { ...transaction, ...options });
    return except === undefined
      ? this.sessions.logOutAll(userId, { ...transaction, ...options })
      : this.sessions.logOutOthers({ id: except, userId }, { ...transaction, ...options });
  }
}

/** The time in the id of a session (RFC 9562, section 5.7), as text that sorts by it. */
function timeOf(sessionId: string): string {
  return sessionId.slice(0, 13);
}
