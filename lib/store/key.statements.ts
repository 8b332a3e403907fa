import type { JsonWebKey } from 'node:crypto';
import { interval, milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import type { StoredKey } from './key.store.js';
import { IS_REPLICA, notify } from './sql-fragments.js';
import type { SessionTables } from './tables.js';

export function buildKeyStatements(tables: SessionTables) {
  const retired = `retire_at < now() - ${interval(':age')}`;
  return {
    load: statement<object, KeyRow>(
      'jwt_session_key_load',
      `SELECT kid, purpose, algorithm, period::text, public_jwk, encrypted_private_key,
          ${IS_REPLICA}, ${milliseconds('publish_at')} AS publish_ms, ${milliseconds('sign_from')} AS sign_from_ms,
          ${milliseconds('sign_until')} AS sign_until_ms, ${milliseconds('retire_at')} AS retire_ms
        FROM ${tables.signingKey} WHERE distrusted_at IS NULL ORDER BY sign_from, kid`,
    ),
    // No index is named: rows of one kid, such as the generated server secret, also conflict on the primary key.
    elect: statement<KeyValues, { kid: string }>(
      'jwt_session_key_elect',
      `INSERT INTO ${tables.signingKey} (kid, purpose, algorithm, period, public_jwk, encrypted_private_key,
          publish_at, sign_from, sign_until, retire_at)
        VALUES (:kid, :purpose, :algorithm, :period, :publicJwk, :encryptedPrivateKey,
          :publishAt, :signFrom, :signUntil, :retireAt)
        ON CONFLICT DO NOTHING RETURNING kid`,
    ),
    distrust: statement<{ kids: readonly string[] }>(
      'jwt_session_key_distrust',
      `WITH distrusted AS (
          UPDATE ${tables.signingKey} SET distrusted_at = now(), encrypted_private_key = ''
          WHERE kid = ANY (:kids::text[]) AND distrusted_at IS NULL RETURNING kid
        )
        SELECT ${notify(tables, "json_build_object('keys', true)", 'count(*) > 0')} AS announced FROM distrusted`,
    ),
    countRetired: statement<{ age: number }, { count: string }>(
      'jwt_session_key_count_retired',
      `SELECT count(*) FROM ${tables.signingKey} WHERE ${retired}`,
    ),
    removeRetired: statement<{ age: number }, { count: string }>(
      'jwt_session_key_remove_retired',
      `WITH removed AS (DELETE FROM ${tables.signingKey} WHERE ${retired} RETURNING kid)
        SELECT count(*) FROM removed`,
    ),
  };
}

interface KeyRow {
  readonly kid: string;
  readonly purpose: string;
  readonly algorithm: string;
  readonly period: string;
  readonly public_jwk: JsonWebKey;
  readonly encrypted_private_key: Buffer;
  readonly publish_ms: number;
  readonly sign_from_ms: number;
  readonly sign_until_ms: number;
  readonly retire_ms: number;
}

interface KeyValues extends Pick<StoredKey, 'kid' | 'purpose' | 'algorithm' | 'period' | 'encryptedPrivateKey'> {
  readonly publicJwk: string;
  readonly publishAt: Date;
  readonly signFrom: Date;
  readonly signUntil: Date;
  readonly retireAt: Date;
}
