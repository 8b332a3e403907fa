import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { randomBytes } from '../../common/random.js';
import type { AccountTransaction, TokenPurpose } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { MailStore } from '../store/mail.store.js';
import { type StoredToken, TokenStore } from '../store/token.store.js';

const BYTES = 32;
const FORM = /^[\w-]{43}$/;

/** The tokens in mails: 256 random bits, of which the database has the hash, each for one purpose and one use. */
@Injectable()
export class MailTokens {
  constructor(
    private readonly store: TokenStore,
    private readonly mails: MailStore,
    private readonly options: ResolvedAccountOptions,
  ) {}

  /** @returns undefined where the mail was taken back meanwhile */
  async issue(mailId: string, purpose: TokenPurpose, subject: StoredToken): Promise<string | undefined> {
    const token = randomBytes(BYTES).toString('base64url');
    const lifetime = this.lifetimeOf(purpose);
    const added = await this.store.add(mailId, { ...subject, hash: hashOf(token), purpose, lifetime });
    return added ? token : undefined;
  }

  /** Whose it is, without using it up. */
  async find(token: string, purpose: TokenPurpose): Promise<StoredToken | undefined> {
    return FORM.test(token) ? this.store.find(hashOf(token), purpose) : undefined;
  }

  /** Uses it up: of any number of callers at once one gets it. */
  async use(token: string, purpose: TokenPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    return this.store.use(hashOf(token), purpose, transaction);
  }

  /** Takes back all tokens of an account, and what still waits to be sent with one for another address. */
  async removeAll(accountId: string, transaction: AccountTransaction): Promise<void> {
    // In this order: who is just adding a token has locked its mail.
    await this.mails.removeLinksOf(accountId, transaction);
    await this.store.removeAll(accountId, transaction);
  }

  /** Milliseconds. */
  lifetimeOf(purpose: TokenPurpose): number {
    const { verification, recovery, emailChange } = this.options.tokens;
    return { 'verify-email': verification, 'reset-password': recovery, 'change-email': emailChange }[purpose];
  }
}

/** Random enough to need no salt and no slow hash. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
