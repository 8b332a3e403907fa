import { Injectable } from '@nestjs/common';
import type { AccountTransaction, LinkPurpose } from '../account.types.js';
import { AccountDatabase } from './account.database.js';
import { buildTokenStatements } from './token.statements.js';

export interface TokenSubject {
  readonly accountId: string;
  readonly email: string;
  /** The session that asked for the token, or that the link ends. */
  readonly sessionId: string | null;
}

export interface StoredToken extends TokenSubject {
  /** Whether it was used before. */
  readonly used: boolean;
}

export interface NewToken extends TokenSubject {
  readonly hash: Buffer;
  readonly purpose: LinkPurpose;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** Tokens of mails. Time is the database's, which is the same for every process. */
@Injectable()
export class TokenStore {
  constructor(private readonly database: AccountDatabase) {}

  /**
   * Adds the token of a mail while the mail is queued. The mail's row is locked: a transaction that removes the mail
   * removes it first, or finds the token.
   *
   * @returns false when the mail was removed
   */
  async addForMail(mailId: string, token: NewToken): Promise<boolean> {
    const added = await this.database.query(this.sql.addForMail, { ...token, mailId });
    return added.length > 0;
  }

  async find(hash: Buffer, purpose: LinkPurpose): Promise<StoredToken | undefined> {
    const [token] = await this.database.query(this.sql.find, { hash, purpose });
    return token;
  }

  /** Marks a token as used. Of any number of concurrent callers one gets it with `used: false`. */
  async use(hash: Buffer, purpose: LinkPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    const [token] = await this.database.query(this.sql.use, { hash, purpose }, transaction);
    return token;
  }

  /**
   * Lets the unused tokens of that purpose work for `lifetime` milliseconds from now on.
   *
   * @returns whether there are any
   */
  async renew(
    accountId: string,
    purpose: LinkPurpose,
    lifetime: number,
    transaction: AccountTransaction,
  ): Promise<boolean> {
    const renewed = await this.database.query(this.sql.renew, { accountId, purpose, lifetime }, transaction);
    return renewed.length > 0;
  }

  /** The address of the newest token of that purpose that was not used yet. */
  async findPending(
    accountId: string,
    purpose: LinkPurpose,
    transaction?: AccountTransaction,
  ): Promise<string | undefined> {
    const [token] = await this.database.query(this.sql.findPending, { accountId, purpose }, transaction);
    return token?.email;
  }

  /** Removes the tokens of those purposes. Used ones stay until they expire, so that a second click gets its answer. */
  async removeUnused(
    accountId: string,
    purposes: readonly LinkPurpose[],
    transaction: AccountTransaction,
  ): Promise<void> {
    await this.database.query(this.sql.removeUnused, { accountId, purposes }, transaction);
  }

  async removeAll(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(this.sql.removeAll, { accountId }, transaction);
  }

  async removeExpired(): Promise<void> {
    await this.database.query(this.sql.removeExpired, {});
  }

  private get sql() {
    return this.database.statements(buildTokenStatements);
  }
}
