import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { SessionRandom } from '../../session.runtime.js';
import type { AccountTransaction, TokenPurpose } from '../account.types.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { type StoredToken, TokenStore } from '../store/token.store.js';

const BYTES = 32;
const FORM = /^[\w-]{43}$/;

/** The tokens in mails: 256 random bits, of which the database has the hash, each for one purpose and one use. */
@Injectable()
export class MailTokens {
  constructor(
    private readonly store: TokenStore,
    private readonly random: SessionRandom,
    private readonly options: ResolvedAccountOptions,
  ) {}

  async issue(purpose: TokenPurpose, subject: StoredToken): Promise<string> {
    const token = this.random.bytes(BYTES).toString('base64url');
    await this.store.add({ ...subject, hash: hashOf(token), purpose, lifetime: this.lifetimeOf(purpose) });
    return token;
  }

  /** Whose it is, without using it up. */
  async find(token: string, purpose: TokenPurpose): Promise<StoredToken | undefined> {
    return FORM.test(token) ? this.store.find(hashOf(token), purpose) : undefined;
  }

  /** Uses it up: of any number of callers at once one gets it. */
  async use(token: string, purpose: TokenPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    return this.store.use(hashOf(token), purpose, transaction);
  }

  removeAll(accountId: string, transaction: AccountTransaction): Promise<void> {
    return this.store.removeAll(accountId, transaction);
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
