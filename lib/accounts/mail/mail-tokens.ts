import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { randomBytes } from '../../common/random.js';
import type { AccountTransaction, TokenPurpose } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { MailStore } from '../store/mail.store.js';
import { type StoredToken, TokenStore } from '../store/token.store.js';

const TOKEN_BYTES = 32;
const TOKEN_FORM = /^[\w-]{43}$/;

/** The tokens in mails: 256 random bits, each for one purpose and one use. The database has only their hashes. */
@Injectable()
export class MailTokens {
  constructor(
    private readonly store: TokenStore,
    private readonly mails: MailStore,
    private readonly options: ResolvedAccountOptions,
  ) {}

  /** @returns undefined when the mail was removed meanwhile */
  async issue(mailId: string, purpose: TokenPurpose, subject: StoredToken): Promise<string | undefined> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const lifetime = this.lifetimeOf(purpose);
    const added = await this.store.add(mailId, { ...subject, hash: hashOf(token), purpose, lifetime });
    return added ? token : undefined;
  }

  /** The account and address of a token, without using it up. */
  async find(token: string, purpose: TokenPurpose): Promise<StoredToken | undefined> {
    return TOKEN_FORM.test(token) ? this.store.find(hashOf(token), purpose) : undefined;
  }

  /** Uses a token up: of any number of concurrent callers one gets it. */
  async use(token: string, purpose: TokenPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    return this.store.use(hashOf(token), purpose, transaction);
  }

  /** Removes all tokens of an account, and the queued mails that would bring one to another address. */
  async removeAll(accountId: string, transaction: AccountTransaction): Promise<void> {
    // Mails first: `issue` locks the mail of a token that it adds, so the token is either prevented or found here.
    await this.mails.removeLinksOf(accountId, transaction);
    await this.store.removeAll(accountId, transaction);
  }

  /** Milliseconds. */
  lifetimeOf(purpose: TokenPurpose): number {
    const { verification, recovery, emailChange } = this.options.tokens;
    return { 'verify-email': verification, 'reset-password': recovery, 'change-email': emailChange }[purpose];
  }
}

/** The token has 256 random bits, so its hash needs neither a salt nor time. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
