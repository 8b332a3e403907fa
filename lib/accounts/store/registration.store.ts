import { Injectable } from '@nestjs/common';
import { interval } from '../../common/sql.js';
import type { AccountTransaction } from '../account.types.js';
import { AccountDatabase } from './account.database.js';

/** The passwords of registrations that wait for the verification of their address. */
@Injectable()
export class RegistrationStore {
  constructor(private readonly database: AccountDatabase) {}

  /**
   * Replaces the registration of the address.
   *
   * @param lifetime milliseconds
   */
  async put(emailKey: string, passwordHash: string, lifetime: number, transaction: AccountTransaction): Promise<void> {
    await this.database.query(
      `INSERT INTO ${this.table} (email_key, password_hash, expires_at) VALUES ($1, $2, now() + ${interval('$3')})
       ON CONFLICT (email_key) DO UPDATE SET password_hash = excluded.password_hash, expires_at = excluded.expires_at`,
      [emailKey, passwordHash, lifetime],
      transaction,
    );
  }

  /** The hash of the password that was chosen last. */
  async find(emailKey: string): Promise<string | undefined> {
    const [row] = await this.database.query<{ password_hash: string }>(
      `SELECT password_hash FROM ${this.table} WHERE email_key = $1 AND expires_at > now()`,
      [emailKey],
    );
    return row?.password_hash;
  }

  async remove(emailKey: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE email_key = $1`, [emailKey], transaction);
  }

  async removeExpired(): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE expires_at <= now()`, []);
  }

  private get table(): string {
    return this.database.tables.registration;
  }
}
