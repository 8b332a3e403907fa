import { Injectable } from '@nestjs/common';
import type { AccountTransaction, TokenPurpose } from '../account.types.js';
import { AccountDatabase, interval } from './account.database.js';

export interface StoredToken {
  readonly accountId: string;
  readonly email: string;
  readonly passwordHash: string | null;
}

export interface NewToken extends StoredToken {
  readonly hash: Buffer;
  readonly purpose: TokenPurpose;
  /** Milliseconds. */
  readonly lifetime: number;
}

const COLUMNS = 'account_id AS "accountId", email, password_hash AS "passwordHash"';

/** Tokens that were sent by mail. Time is the database's, the same for every process. */
@Injectable()
export class TokenStore {
  constructor(private readonly database: AccountDatabase) {}

  async add({ hash, accountId, purpose, email, passwordHash, lifetime }: NewToken): Promise<void> {
    await this.database.query(
      `INSERT INTO ${this.table} (token_hash, account_id, purpose, email, password_hash, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + ${interval('$6')})`,
      [hash, accountId, purpose, email, passwordHash, lifetime],
    );
  }

  /** Looks without using it up. */
  async find(hash: Buffer, purpose: TokenPurpose): Promise<StoredToken | undefined> {
    const [token] = await this.database.query<StoredToken>(
      `SELECT ${COLUMNS} FROM ${this.table} WHERE token_hash = $1 AND purpose = $2 AND expires_at > now()`,
      [hash, purpose],
    );
    return token;
  }

  /** Uses it up. Of any number of callers at once one gets it: whoever deletes the row. */
  async use(hash: Buffer, purpose: TokenPurpose, transaction: AccountTransaction): Promise<StoredToken | undefined> {
    const [token] = await this.database.query<StoredToken>(
      `DELETE FROM ${this.table} WHERE token_hash = $1 AND purpose = $2 AND expires_at > now() RETURNING ${COLUMNS}`,
      [hash, purpose],
      transaction,
    );
    return token;
  }

  /** Takes back all tokens of an account. */
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
