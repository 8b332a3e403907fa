import { Injectable } from '@nestjs/common';
import type { AccountTransaction, TokenPurpose } from '../account.types.js';
import { interval } from '../../common/sql.js';
import { AccountDatabase } from './account.database.js';

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

  /**
   * Adds the token that a mail brings, while the mail is to be sent: its row is locked, so that whoever takes it back comes
   * before, or finds the token.
   *
   * @returns false where the mail was taken back
   */
  async add(mailId: string, token: NewToken): Promise<boolean> {
    const { hash, accountId, purpose, email, passwordHash, lifetime } = token;
    const added = await this.database.query(
      `INSERT INTO ${this.table} (token_hash, account_id, purpose, email, password_hash, expires_at)
       SELECT $2::bytea, $3::text, $4::text, $5::text, $6::text, now() + ${interval('$7')}
       FROM ${this.database.tables.mail} WHERE id = $1 FOR UPDATE
       RETURNING token_hash`,
      [mailId, hash, accountId, purpose, email, passwordHash, lifetime],
    );
    return added.length > 0;
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
