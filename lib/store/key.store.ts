import { Injectable } from '@nestjs/common';
import type { JsonWebKey } from 'node:crypto';
import { Database } from './database.js';
import { buildKeyStatements } from './key.statements.js';
import { Notifications } from './notifications.js';

/** A signing key as the database keeps it; times are milliseconds since the epoch. */
export interface StoredKey {
  readonly kid: string;
  readonly purpose: string;
  readonly algorithm: string;
  readonly period: number;
  readonly publicJwk: JsonWebKey;
  readonly encryptedPrivateKey: Buffer;
  readonly publishAt: number;
  readonly signFrom: number;
  readonly signUntil: number;
  readonly retireAt: number;
}

/** The signing keys' rows. A key is elected by inserting it: the first one for a purpose and period wins. */
@Injectable()
export class KeyStore {
  constructor(
    private readonly database: Database,
    private readonly notifications: Notifications,
  ) {}

  /** Every key that is not distrusted, the generated server secret among them. */
  async load(timeout?: number): Promise<StoredKey[]> {
    const rows = await this.database.query(this.sql.load, {}, { timeout });
    return rows.map(row => ({
      kid: row.kid,
      purpose: row.purpose,
      algorithm: row.algorithm,
      period: Number(row.period),
      publicJwk: row.public_jwk,
      encryptedPrivateKey: row.encrypted_private_key,
      publishAt: row.publish_ms,
      signFrom: row.sign_from_ms,
      signUntil: row.sign_until_ms,
      retireAt: row.retire_ms,
    }));
  }

  /** Inserts a key. Returns false if another key already has the purpose and period. */
  async elect(key: StoredKey, timeout?: number): Promise<boolean> {
    const values = {
      ...key,
      publicJwk: JSON.stringify(key.publicJwk),
      publishAt: new Date(key.publishAt),
      signFrom: new Date(key.signFrom),
      signUntil: new Date(key.signUntil),
      retireAt: new Date(key.retireAt),
    };
    const rows = await this.database.query(this.sql.elect, values, { timeout });
    return rows.length > 0;
  }

  /** Distrusts keys permanently and announces it. */
  async distrust(kids: readonly string[]): Promise<void> {
    await this.database.query(this.sql.distrust, { kids });
    this.notifications.announce({ keys: kids });
  }

  /** Removes keys that were retired longer than `age` milliseconds ago. Returns how many there were. */
  async removeRetired(age: number, dryRun: boolean): Promise<number> {
    const statement = dryRun ? this.sql.countRetired : this.sql.removeRetired;
    const [row] = await this.database.query(statement, { age });
    return Number(row!.count);
  }

  private get sql() {
    return this.database.statements(buildKeyStatements);
  }
}
