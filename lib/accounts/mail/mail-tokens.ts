import { Injectable } from '@nestjs/common';
import { hashOfSecret, isSecret, newSecret } from '../account.secrets.js';
import type { AccountTransaction, LinkPurpose } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { MailStore } from '../store/mail.store.js';
import { type StoredToken, type TokenSubject, TokenStore } from '../store/token.store.js';

/**
 * The links that any change of the account removes. Those against somebody else in the account stay: the one that undoes
 * a change of the address, and the one that ends a session.
 */
const LINKS = ['verify-email', 'reset-password', 'change-email'] as const satisfies LinkPurpose[];

/** The tokens in mails: 256 random bits, each for one purpose and one use. The database has only their hashes. */
@Injectable()
export class MailTokens {
  constructor(
    private readonly store: TokenStore,
    private readonly mails: MailStore,
    private readonly options: ResolvedAccountOptions,
  ) {}

  /** @returns undefined when the mail was removed meanwhile */
  async issue(mailId: string, purpose: LinkPurpose, subject: TokenSubject): Promise<string | undefined> {
    const token = newSecret();
    const lifetime = this.lifetimeOf(purpose);
    const added = await this.store.addForMail(mailId, { ...subject, hash: hashOfSecret(token), purpose, lifetime });
    return added ? token : undefined;
  }

  /** The account and address of a token, without using it up. */
  async find(token: string, purpose: LinkPurpose): Promise<StoredToken | undefined> {
    return isSecret(token) ? this.store.find(hashOfSecret(token), purpose) : undefined;
  }

  /** Uses a token up: of any number of concurrent callers one gets it with `used: false`. */
  async use(token: string, purpose: LinkPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    return this.store.use(hashOfSecret(token), purpose, transaction);
  }

  /**
   * Lets the link that undoes a change of the address work for its whole time again. A thief could otherwise wait until
   * an earlier link has nearly expired, and change the address then.
   *
   * @returns whether the owner of a former address has such a link, or is about to get it
   */
  async renewUndo(accountId: string, transaction: AccountTransaction): Promise<boolean> {
    const purpose = 'undo-email-change';
    // The mail first: it is removed only when its token is there, so that one of the two is always found.
    const queued = await this.mails.findQueuedEmail(accountId, 'email-changed', transaction);
    const renewed = await this.store.renew(accountId, purpose, this.lifetimeOf(purpose), transaction);
    return renewed || queued !== undefined;
  }

  /** The former addresses whose owners have a link that undoes a change of the address, or are about to be told of it. */
  async formerAddresses(accountId: string, transaction: AccountTransaction): Promise<string[]> {
    // The mail first, as above.
    const queued = await this.mails.findFormerAddresses(accountId, transaction);
    const linked = await this.store.findPending(accountId, 'undo-email-change', transaction);
    return linked === undefined ? queued : [...queued, linked];
  }

  /** A new address that is not confirmed yet. */
  async pendingEmail(accountId: string): Promise<string | null> {
    const linked = await this.store.findPending(accountId, 'change-email');
    return linked ?? (await this.mails.findQueuedEmail(accountId, 'email-change')) ?? null;
  }

  /** Removes the links of an account, and the queued mails that would bring one to another address. */
  async removeLinks(accountId: string, transaction: AccountTransaction): Promise<void> {
    // Mails first: `issue` locks the mail of a token that it adds, so the token is either prevented or found here.
    await this.mails.removeLinksOf(accountId, transaction);
    await this.store.removeUnused(accountId, LINKS, transaction);
  }

  async removeAll(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.mails.removeAllOf(accountId, transaction);
    await this.store.removeAll(accountId, transaction);
  }

  /** Milliseconds. */
  lifetimeOf(purpose: LinkPurpose): number {
    const { verification, recovery, emailChange, undoEmailChange, endSession } = this.options.tokens;
    const lifetimes: Record<LinkPurpose, number> = {
      'verify-email': verification,
      'reset-password': recovery,
      'change-email': emailChange,
      'undo-email-change': undoEmailChange,
      'end-session': endSession,
    };
    return lifetimes[purpose];
  }
}
