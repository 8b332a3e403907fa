import { interval, type Statement } from './database.js';
import { announceSessions, authUuid, LIVE, LIVE_OF_ID, REVOKED_REASON, sessionColumns } from './sql-fragments.js';
import type { SessionTables } from './tables.js';

// "In window" is the database's clock alone: process clocks decide nothing.
const IN_WINDOW = 'now() < s.leeway_until';

/**
 * The row is still as it was observed ($2 generation, $3 to $5 hashes as text, $6 in window). Written out in every
 * statement that acts on an observation: compare and set.
 */
const AS_OBSERVED = `s.generation = $2 AND encode(s.token_hash, 'hex') = $3
  AND encode(s.successor_hash, 'hex') IS NOT DISTINCT FROM $4::text
  AND encode(s.previous_hash, 'hex') IS NOT DISTINCT FROM $5::text
  AND (${IN_WINDOW}) = $6`;

/** What every accepted refresh writes: the session was seen, from where, and lives on. */
function seen(idle: string, ip: string, userAgent: string): string {
  return `last_seen_at = now(), expires_at = LEAST(now() + ${interval(idle)}, s.absolute_expires_at),
    ip = COALESCE(${ip}, s.ip), user_agent = COALESCE(${userAgent}, s.user_agent)`;
}

/** Where a statement has what a client presents, and the successor that is written where the case mints one. */
interface PresentedExpressions {
  readonly generation: string;
  readonly hash: string;
  readonly candidateHash: string;
  readonly candidateSalt: string;
  readonly ip: string;
  readonly userAgent: string;
}

interface OptionExpressions {
  readonly leeway: string;
  readonly idle: string;
  readonly boundIp: string;
  readonly boundUserAgent: string;
}

/**
 * What a rotation writes, and whether an accepting case applies. Each CASE reads the row as it was: PROTOCOL.md's table,
 * first the cases of t = g, then those of t = g + 1.
 */
function rotation(presented: PresentedExpressions, options: OptionExpressions) {
  const { generation, hash, candidateHash, candidateSalt, ip, userAgent } = presented;
  const isCurrent = `s.generation = ${generation}`;
  const changes = `last_case = CASE
        WHEN ${isCurrent} AND s.successor_hash IS NULL THEN CASE WHEN ${IN_WINDOW} THEN 'unchanged' ELSE 'mint' END
        WHEN ${isCurrent} THEN CASE WHEN ${IN_WINDOW} THEN 'retry-in-window' ELSE 'retry-of-lost-response' END
        ELSE CASE WHEN ${IN_WINDOW} THEN 'confirm' ELSE 'confirm-and-mint' END
      END,
      generation = ${generation},
      token_hash = ${hash},
      previous_hash = CASE WHEN ${isCurrent} THEN s.previous_hash ELSE s.token_hash END,
      previous_salt = CASE WHEN ${isCurrent} THEN s.previous_salt ELSE s.successor_salt END,
      successor_hash = CASE WHEN NOT ${IN_WINDOW} THEN ${candidateHash} WHEN ${isCurrent} THEN s.successor_hash END,
      successor_salt = CASE WHEN NOT ${IN_WINDOW} THEN ${candidateSalt} WHEN ${isCurrent} THEN s.successor_salt END,
      leeway_until = CASE
        WHEN ${IN_WINDOW} AND ${isCurrent} AND s.successor_hash IS NULL THEN s.leeway_until
        ELSE now() + ${interval(options.leeway)}
      END,
      ${seen(options.idle, ip, userAgent)}`;
  const applies = `${LIVE_OF_ID} AND ((${isCurrent} AND s.token_hash = ${hash})
        OR (s.generation = ${generation} - 1 AND s.successor_hash = ${hash}))
      AND (${ip} IS NOT DISTINCT FROM s.ip OR NOT ${options.boundIp})
      AND (${userAgent} IS NOT DISTINCT FROM s.user_agent OR NOT ${options.boundUserAgent})`;
  return { changes, applies };
}

export function buildRotationStatements(tables: SessionTables) {
  const notInvalidated = `s.refresh_auth_uuid = ${authUuid(tables, 's.user_id', 'refresh')}`;

  // $2 generation and $3 hash of the presented token, $4 and $5 hash and salt of the candidate successor, $6 leeway,
  // $10 and $11 whether the token is bound to address and user agent.
  const one = rotation(
    {
      generation: '$2',
      hash: '$3',
      candidateHash: '$4',
      candidateSalt: '$5',
      ip: '$8::text',
      userAgent: '$9::text',
    },
    { leeway: '$6', idle: '$7', boundIp: '$10', boundUserAgent: '$11' },
  );
  const rotate: Statement = {
    name: 'jwt_session_rotate',
    text: `UPDATE ${tables.session} s SET ${one.changes}
    WHERE s.id = $1 AND ${notInvalidated} AND ${one.applies}
    RETURNING ${sessionColumns(tables)}, s.last_case`,
  };

  // The same for several sessions, each decided for itself. Rows that somebody else has locked are left out: nobody waits
  // for a lock that concerns another session, and no two of these statements can deadlock.
  const each = rotation(
    {
      generation: 'asked.generation',
      hash: 'asked.hash',
      candidateHash: 'asked.candidate_hash',
      candidateSalt: 'asked.candidate_salt',
      ip: 'asked.ip',
      userAgent: 'asked.user_agent',
    },
    { leeway: '$8', idle: '$9', boundIp: '$10', boundUserAgent: '$11' },
  );
  const rotateSeveral: Statement = {
    name: 'jwt_session_rotate_several',
    text: `WITH asked AS (
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::text[])
          AS asked (id, generation, hash, candidate_hash, candidate_salt, ip, user_agent)
      ), target AS (
        SELECT s.id FROM ${tables.session} s JOIN asked ON asked.id = s.id
        ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
      )
      UPDATE ${tables.session} s SET ${each.changes}
      FROM target JOIN asked ON asked.id = target.id
      WHERE s.id = target.id AND ${notInvalidated} AND ${each.applies}
      RETURNING ${sessionColumns(tables)}, s.last_case`,
  };

  const readForRotation: Statement = {
    name: 'jwt_session_read_for_rotation',
    text: `SELECT s.user_id, s.generation, encode(s.token_hash, 'hex') AS token_hash,
        encode(s.successor_hash, 'hex') AS successor_hash, encode(s.previous_hash, 'hex') AS previous_hash,
        ${IN_WINDOW} AS in_window, ${REVOKED_REASON} AS revoked_reason, s.expires_at <= now() AS expired,
        NOT (${notInvalidated}) AS invalidated,
        s.ip, s.user_agent
      FROM ${tables.session} s WHERE s.id = $1`,
  };

  const answerLateParent: Statement = {
    name: 'jwt_session_answer_late_parent',
    text: `UPDATE ${tables.session} s SET last_case = 'late-parent', ${seen('$7', '$8', '$9')}
      WHERE s.id = $1 AND ${AS_OBSERVED} AND ${LIVE_OF_ID} AND ${notInvalidated}
      RETURNING ${sessionColumns(tables)}, s.last_case`,
  };

  // The rows are locked in id order before any is changed, as everywhere.
  const endStolen: Statement = {
    name: 'jwt_session_end_stolen',
    text: `WITH target AS (
        SELECT s.id FROM ${tables.session} s
        WHERE (s.id = $1 OR ($9 AND s.user_id = $8)) AND ${LIVE} ORDER BY s.id FOR NO KEY UPDATE
      ), stolen AS (
        UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = $7
        FROM target WHERE s.id = target.id AND s.id = $1 AND ${AS_OBSERVED} AND ${LIVE_OF_ID} RETURNING s.id, s.revoked_reason AS reason
      ), others AS (
        UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = $7
        FROM target WHERE s.id = target.id AND s.id <> $1 AND ${LIVE_OF_ID} AND EXISTS (SELECT 1 FROM stolen)
        RETURNING s.id, s.revoked_reason AS reason
      ), ended AS (SELECT * FROM stolen UNION ALL SELECT * FROM others), ${announceSessions(tables)}
      SELECT id, (SELECT count(sent) FROM announced) AS notifications FROM ended`,
  };

  const unconfirmed = `${LIVE_OF_ID} AND s.generation = used.generation - 1 AND substring(s.successor_hash FROM 1 FOR 6) = used.branch`;
  const confirm: Statement = {
    name: 'jwt_session_confirm',
    text: `WITH used AS (
        SELECT * FROM unnest($1::uuid[], $2::integer[], $3::bytea[]) AS used (id, generation, branch)
      ), target AS (
        SELECT s.id, used.generation, used.branch FROM ${tables.session} s JOIN used ON used.id = s.id
        WHERE ${unconfirmed} ORDER BY s.id FOR NO KEY UPDATE OF s
      )
      UPDATE ${tables.session} s SET generation = used.generation, token_hash = s.successor_hash,
        previous_hash = s.token_hash, previous_salt = s.successor_salt, successor_hash = NULL, successor_salt = NULL,
        leeway_until = now() + ${interval('$4')}, last_case = 'confirmed-by-use', last_seen_at = now()
      FROM target AS used WHERE s.id = used.id AND ${unconfirmed}`,
  };

  return { rotate, rotateSeveral, readForRotation, answerLateParent, endStolen, confirm };
}
