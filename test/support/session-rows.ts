import { randomBytes } from 'node:crypto';
import { uuidV7 } from '../../lib/common/uuid.js';
import { bucketOfUser } from '../../lib/rules/bucket.js';
import type { TestDatabase } from './database.js';

/** A row of `jwt_session` for a test; times are milliseconds from now. */
export interface SessionSeed {
  readonly id: string;
  readonly userId: string;
  readonly generation: number;
  readonly tokenHash: Buffer;
  readonly successorHash: Buffer | null;
  readonly successorSalt: Buffer | null;
  readonly previousHash: Buffer | null;
  readonly previousSalt: Buffer | null;
  readonly leewayUntil: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  readonly revokedReason: string | null;
  readonly keyThumbprint: Buffer | null;
  readonly keyOffered: Buffer | null;
  readonly keyKind: string | null;
}

const HOUR = 3_600_000;

/** The bucket of the session that the SQL expression is the id of. */
export const bucketInSql = (id: string) => `('x' || substr((${id})::text, 16, 3))::bit(12)::integer`;

/** A live session of `ada`, outside any window, whose successor waits to be confirmed. */
export function sessionSeed(differences: Partial<SessionSeed> = {}): SessionSeed {
  const userId = differences.userId ?? 'ada';
  return {
    id: uuidV7(Date.now(), bucketOfUser(userId)),
    userId,
    generation: 0,
    tokenHash: randomBytes(32),
    successorHash: randomBytes(32),
    successorSalt: randomBytes(20),
    previousHash: null,
    previousSalt: null,
    leewayUntil: -HOUR,
    expiresAt: HOUR,
    revokedAt: null,
    revokedReason: null,
    keyThumbprint: null,
    keyOffered: null,
    keyKind: null,
    ...differences,
  };
}

/** Inserts the rows in the given order, by the database's clock. */
export async function insertSessions(database: TestDatabase, seeds: readonly SessionSeed[]): Promise<void> {
  const rows = seeds.map(seed =>
    Object.fromEntries(
      Object.entries(seed).map(([name, value]: [string, unknown]) => [
        name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
        Buffer.isBuffer(value) ? value.toString('hex') : value,
      ]),
    ),
  );
  const bytes = ['token_hash', 'successor_hash', 'successor_salt', 'previous_hash', 'previous_salt'];
  bytes.push('key_thumbprint', 'key_offered');
  await database.query(
    `INSERT INTO jwt_session (id, bucket, user_id, generation, ${bytes.join(', ')}, leeway_until, expires_at, revoked_at,
       revoked_reason, key_kind, refresh_auth_uuid, claims, created_at, last_seen_at)
     SELECT s.id, ${bucketInSql('s.id')}, s.user_id, s.generation, ${bytes.map(name => `decode(s.${name}, 'hex')`).join(', ')},
       now() + s.leeway_until * ms, now() + s.expires_at * ms, now() + s.revoked_at * ms, s.revoked_reason,
       s.key_kind, NULL, '{}',
       now(), now()
     FROM jsonb_to_recordset($1) AS s (id uuid, user_id text, generation integer,
       ${bytes.map(name => `${name} text`).join(', ')}, leeway_until float8, expires_at float8, revoked_at float8,
       revoked_reason text, key_kind text), (SELECT interval '1 millisecond' AS ms) AS constants`,
    [JSON.stringify(rows)],
  );
}
