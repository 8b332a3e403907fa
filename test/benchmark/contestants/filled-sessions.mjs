import { createHash } from 'node:crypto';
import { encodeRefreshToken } from '../../../build/rules/refresh-token.js';
import { bucketOfUser } from '../../../build/rules/bucket.js';
import { deriveServerKeys } from '../../../build/rules/server-keys.js';
import { SECRET } from './library.mjs';

export const SESSIONS_EACH = 5;

const USER_AGENT =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36';

/** Milliseconds; one session logged in at each from here on. */
const EPOCH = 1_700_000_000_000;

const keys = deriveServerKeys(SECRET);

/**
 * Rows as `logIn` writes them, for sessions 0 to `count` - 1. What is random there follows from the number here, so
 * that their refresh tokens are known.
 *
 * @param {import('pg').Client} client
 * @param {{ userAgent?: string, label?: string }} kept what is stored of the user agent
 */
export async function fillSessions(client, count, kept = CLIENT) {
  await client.query(
    `INSERT INTO jwt_session (id, bucket, user_id, generation, token_hash, leeway_until, refresh_auth_uuid, claims,
      user_agent, label, ip, created_at, last_seen_at, expires_at, absolute_expires_at)
    SELECT (lpad(to_hex(${EPOCH} + n), 12, '0') || '7' || bucket || '8' || left(md5(n::text), 15))::uuid,
      ('x' || bucket)::bit(12)::integer, 'user-' || n / ${SESSIONS_EACH}, 0, sha256(sha256(convert_to('secret ' || n, 'UTF8'))), now(), NULL,
      '{"role": "user"}', $1, $3, '203.0.113.7', now(), now(), now() + interval '30 days', now() + interval '180 days'
    FROM generate_series(0, $2::bigint - 1) AS n, LATERAL (
      SELECT left(encode(sha256(convert_to('user-' || n / ${SESSIONS_EACH}, 'UTF8')), 'hex'), 3) AS bucket
    ) AS placed`,
    [kept.userAgent, count, kept.label],
  );
  await client.query('VACUUM ANALYZE jwt_session');
}

/** The refresh token of a filled session that was not refreshed yet. */
export function refreshTokenOf(n) {
  return encodeRefreshToken({ sessionId: sessionIdOf(n), generation: 0, secret: secretOf(n) }, keys);
}

/** What the row has of it. */
export function tokenHashOf(n) {
  return createHash('sha256').update(secretOf(n)).digest();
}

export function sessionIdOf(n) {
  const time = (EPOCH + n).toString(16).padStart(12, '0');
  const random = createHash('md5').update(String(n)).digest('hex');
  const bucket = bucketOfUser(`user-${Math.floor(n / SESSIONS_EACH)}`)
    .toString(16)
    .padStart(3, '0');
  const hex = `${time}7${bucket}8${random.slice(0, 15)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function secretOf(n) {
  return createHash('sha256').update(`secret ${n}`).digest();
}

export const CLIENT = { ip: '203.0.113.7', userAgent: USER_AGENT };

/** Updates of the table's rows so far, and how many of them touched no index, as its statistics say. */
export async function updatesOf(client) {
  // What a connection has counted is published when it has been idle for a second.
  await new Promise(resolve => setTimeout(resolve, 2_000));
  const { rows } = await client.query(
    `SELECT n_tup_upd::float8 AS updates, n_tup_hot_upd::float8 AS heap_only FROM pg_stat_user_tables WHERE relname = 'jwt_session'`,
  );
  return { updates: rows[0].updates, heapOnly: rows[0].heap_only };
}
