import { Injectable } from '@nestjs/common';
import type { AccountTransaction } from '../account.types.js';
import { AccountDatabase } from './account.database.js';
import { buildRegistrationStatements } from './registration.statements.js';

/** A registration that waits for the verification of its address. */
export interface StoredRegistration {
  readonly passwordHash: string;
  /** The fields of the application's own that came with the password. */
  readonly fields: Record<string, unknown>;
}

/** The latest registration of each address. */
@Injectable()
export class RegistrationStore {
  constructor(private readonly database: AccountDatabase) {}

  /**
   * Replaces the registration of the address.
   *
   * @param lifetime milliseconds
   */
  async put(
    emailKey: string,
    { passwordHash, fields }: StoredRegistration,
    lifetime: number,
    transaction: AccountTransaction,
  ): Promise<void> {
    const values = { emailKey, passwordHash, fields: JSON.stringify(fields), lifetime };
    await this.database.query(this.sql.put, values, transaction);
  }

  async find(emailKey: string): Promise<StoredRegistration | undefined> {
    const [row] = await this.database.query(this.sql.find, { emailKey });
    return row && { passwordHash: row.passwordHash, fields: JSON.parse(row.fields) as Record<string, unknown> };
  }

  async remove(emailKey: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(this.sql.remove, { emailKey }, transaction);
  }

  async removeExpired(): Promise<void> {
    await this.database.query(this.sql.removeExpired, {});
  }

  private get sql() {
    return this.database.statements(buildRegistrationStatements);
  }
}
