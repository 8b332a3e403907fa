import { Injectable } from '@nestjs/common';
import type { AccountTransaction, TokenPurpose } from '../account.types.js';
import { interval } from '../../common/sql.js';
import { AccountDatabase } from './account.database.js';

export interface TokenSubject {
  readonly accountId: string;
  readonly email: string;
  /** The session that asked for the token. */
  readonly sessionId: string | null;
}

export interface StoredToken extends TokenSubject {
  /** Whether it was used before. */
  readonly used: boolean;
}

export interface NewToken extends TokenSubject {
  readonly hash: Buffer;
  readonly purpose: TokenPurpose;
  /** Milliseconds. */
  readonly lifetime: number;
}

const SUBJECT = 'account_id AS "accountId", email, session_id AS "sessionId"';

/** Tokens of mails and devices. Time is the database's, which is the same for every process. */
@Injectable()
export class TokenStore {
  constructor(private readonly database: AccountDatabase) {}

  async add({ hash, accountId, purpose, email, sessionId, lifetime }: NewToken): Promise<void> {
    await this.database.query(
      `INSERT INTO ${this.table} (token_hash, account_id, purpose, email, session_id, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + ${interval('$6')})`,
      [hash, accountId, purpose, email, sessionId, lifetime],
    );
  }

  /**
   * Adds the token of a mail while the mail is queued. The mail's row is locked: a transaction that removes the mail
   * removes it first, or finds the token.
   *
   * @returns false when the mail was removed
   */
  async addForMail(mailId: string, token: NewToken): Promise<boolean> {
    const { hash, accountId, purpose, email, sessionId, lifetime } = token;
    const added = await this.database.query(
      `INSERT INTO ${this.table} (token_hash, account_id, purpose, email, session_id, expires_at)
       SELECT $2::bytea, $3::text, $4::text, $5::text, $6::text, now() + ${interval('$7')}
       FROM ${this.database.tables.mail} WHERE id = $1 FOR UPDATE
       RETURNING token_hash`,
      [mailId, hash, accountId, purpose, email, sessionId, lifetime],
    );
    return added.length > 0;
  }

  async find(hash: Buffer, purpose: TokenPurpose): Promise<StoredToken | undefined> {
    const [token] = await this.database.query<StoredToken>(
      `SELECT ${SUBJECT}, used_at IS NOT NULL AS used
       FROM ${this.table} WHERE token_hash = $1 AND purpose = $2 AND expires_at > now()`,
      [hash, purpose],
    );
    return token;
  }

  /** Marks a token as used. Of any number of concurrent callers one gets it with `used: false`. */
  async use(hash: Buffer, purpose: TokenPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    const [token] = await this.database.query<StoredToken>(
      `UPDATE ${this.table} AS token SET used_at = COALESCE(former.used_at, now())
       FROM (
         SELECT token_hash, used_at FROM ${this.table}
         WHERE token_hash = $1 AND purpose = $2 AND expires_at > now() FOR UPDATE
       ) AS former
       WHERE token.token_hash = former.token_hash
       RETURNING ${SUBJECT}, former.used_at IS NOT NULL AS used`,
      [hash, purpose],
      transaction,
    );
    return token;
  }

  /**
   * Lets the unused tokens of that purpose work for `lifetime` milliseconds from now on.
   *
   * @returns whether there are any
   */
  async renew(
    accountId: string,
    purpose: TokenPurpose,
    lifetime: number,
    transaction: AccountTransaction,
  ): Promise<boolean> {
    const renewed = await this.database.query(
      `UPDATE ${this.table} SET expires_at = now() + ${interval('$3')}
       WHERE account_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()
       RETURNING token_hash`,
      [accountId, purpose, lifetime],
      transaction,
    );
    return renewed.length > 0;
  }

  /** The address of the newest token of that purpose that was not used yet. */
  async findPending(
    accountId: string,
    purpose: TokenPurpose,
    transaction?: AccountTransaction,
  ): Promise<string | undefined> {
    const [token] = await this.database.query<{ email: string }>(
      `SELECT email FROM ${this.table}
       WHERE account_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()
       ORDER BY expires_at DESC LIMIT 1`,
      [accountId, purpose],
      transaction,
    );
    return token?.email;
  }

  /** Removes the tokens of those purposes. Used ones stay until they expire, so that a second click gets its answer. */
  async removeUnused(
    accountId: string,
    purposes: readonly TokenPurpose[],
    transaction: AccountTransaction,
  ): Promise<void> {
    await this.database.query(
      `DELETE FROM ${this.table} WHERE account_id = $1 AND purpose = ANY ($2) AND used_at IS NULL`,
      [accountId, purposes],
      transaction,
    );
  }

  async removeAll(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE account_id = $1`, [accountId], transaction);
  }

  async removeExpired(): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE expires_at <= now()`, []);
  }

  private get table(): string {
    return this.database.tables.token;
  }
}
