import { Injectable } from '@nestjs/common';
import type { AccountTransaction } from '../account.types.js';
import { AccountDatabase } from './account.database.js';
import { buildRegistrationStatements } from './registration.statements.js';

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
    await this.database.query(this.sql.put, { emailKey, passwordHash, lifetime }, transaction);
  }

  /** The hash of the password that was chosen last. */
  async find(emailKey: string): Promise<string | undefined> {
    const [row] = await this.database.query(this.sql.find, { emailKey });
    return row?.password_hash;
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
