import { Injectable } from '@nestjs/common';
import type { JsonWebKey } from 'node:crypto';
import { Database, interval, milliseconds, type Statement } from './database.js';
import { notify } from './sql-fragments.js';

/** A signing key as the database keeps it; times are milliseconds since the epoch. */
export interface StoredKey {
  readonly kid: string;
  readonly purpose: string;
  readonly algorithm: string;
  readonly period: number;
  readonly publicJwk: JsonWebKey;
  readonly sealedPrivateKey: Buffer;
  readonly publishAt: number;
  readonly signFrom: number;
  readonly signUntil: number;
  readonly retireAt: number;
}

interface KeyRow {
  kid: string;
  purpose: string;
  algorithm: string;
  period: string;
  public_jwk: JsonWebKey;
  sealed_private_key: Buffer;
  publish_ms: number;
  sign_from_ms: number;
  sign_until_ms: number;
  retire_ms: number;
}

/** The signing keys' rows. A key is elected by inserting it: whoever comes first for a purpose and period wins. */
@Injectable()
export class KeyStore {
  private statements?: ReturnType<typeof buildStatements>;

  constructor(private readonly database: Database) {}

  /** Every key that is not distrusted, the generated server secret among them. */
  async load(timeout?: number): Promise<StoredKey[]> {
    const rows = await this.database.query<KeyRow>(this.sql.load, [], { timeout });
    return rows.map(row => ({
      kid: row.kid,
      purpose: row.purpose,
      algorithm: row.algorithm,
      period: Number(row.period),
      publicJwk: row.public_jwk,
      sealedPrivateKey: row.sealed_private_key,
      publishAt: row.publish_ms,
      signFrom: row.sign_from_ms,
      signUntil: row.sign_until_ms,
      retireAt: row.retire_ms,
    }));
  }

  /** Stands for election. Returns whether this key won; otherwise another one has the purpose and period already. */
  async elect(key: StoredKey, timeout?: number): Promise<boolean> {
    const values = [
      key.kid,
      key.purpose,
      key.algorithm,
      key.period,
      JSON.stringify(key.publicJwk),
      key.sealedPrivateKey,
      ...[key.publishAt, key.signFrom, key.signUntil, key.retireAt].map(time => new Date(time)),
    ];
    const rows = await this.database.query(this.sql.elect, values, { timeout });
    return rows.length > 0;
  }

  /** Distrusts keys for good and announces it in the same statement. */
  async distrust(kids: readonly string[]): Promise<void> {
    await this.database.query(this.sql.distrust, [kids]);
  }

  /** Removes keys that were retired longer than `age` milliseconds ago. Returns how many there were. */
  async removeRetired(age: number, dryRun: boolean): Promise<number> {
    const statement = dryRun ? this.sql.countRetired : this.sql.removeRetired;
    const [row] = await this.database.query<{ count: string }>(statement, [age]);
    return Number(row!.count);
  }

  private get sql() {
    return (this.statements ??= buildStatements(this.database));
  }
}

function buildStatements({ tables }: Database) {
  const retired = `retire_at < now() - ${interval('$1')}`;
  return {
    load: {
      name: 'jwt_session_key_load',
      text: `SELECT kid, purpose, algorithm, period::text, public_jwk, sealed_private_key,
          ${milliseconds('publish_at')} AS publish_ms, ${milliseconds('sign_from')} AS sign_from_ms,
          ${milliseconds('sign_until')} AS sign_until_ms, ${milliseconds('retire_at')} AS retire_ms
        FROM ${tables.signingKey} WHERE distrusted_at IS NULL ORDER BY sign_from, kid`,
    },
    // Without naming the index: rows of the same kid, as the generated server secret's, meet at the primary key as well.
    elect: {
      name: 'jwt_session_key_elect',
      text: `INSERT INTO ${tables.signingKey} (kid, purpose, algorithm, period, public_jwk, sealed_private_key,
          publish_at, sign_from, sign_until, retire_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT DO NOTHING RETURNING kid`,
    },
    distrust: {
      name: 'jwt_session_key_distrust',
      text: `WITH distrusted AS (
          UPDATE ${tables.signingKey} SET distrusted_at = clock_timestamp(), sealed_private_key = ''
          WHERE kid = ANY ($1::text[]) AND distrusted_at IS NULL RETURNING kid
        )
        SELECT ${notify(tables, "json_build_object('keys', json_agg(kid))", 'count(*) > 0')} AS announced FROM distrusted`,
    },
    countRetired: {
      name: 'jwt_session_key_count_retired',
      text: `SELECT count(*) FROM ${tables.signingKey} WHERE ${retired}`,
    },
    removeRetired: {
      name: 'jwt_session_key_remove_retired',
      text: `WITH removed AS (DELETE FROM ${tables.signingKey} WHERE ${retired} RETURNING kid)
        SELECT count(*) FROM removed`,
    },
  } satisfies Record<string, Statement>;
}
