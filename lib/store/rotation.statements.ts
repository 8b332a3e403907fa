import type { ClientInfo } from '../common/client-address.js';
import { interval, milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import {
  announceSessions,
  type ArraysOf,
  IS_REPLICA,
  fromClock,
  IN_BUCKET,
  inTime,
  isRefreshable,
  LIMITED,
  type Limited,
  LIVE,
  LIVE_OF_ID,
  type NoLimit,
  nowOfUpdate,
  OF_SESSION,
  OF_USER,
  REVOKED_REASON,
  sessionColumns,
  UNLIMITED,
  updatesInTime,
} from './sql-fragments.js';
import type { RotationState } from '../rules/rotation.js';
import { buildConfirmationStatements } from './confirmation.statements.js';
import { CASE_LETTERS } from './rotation-cases.js';
import type { RotatedRow } from './rotation.store.js';
import type { SessionTables } from './tables.js';
import { hasUserAgent, seenUserAgent, type UserAgentSettings } from './user-agent.js';

// "In window" is the database's clock alone: process clocks decide nothing.
const IN_WINDOW = 'now() < s.leeway_until';

/**
 * The row is still as it was read. Every statement that acts on an observation repeats it: compare and set. None acts on
 * a session that is bound to a key, which may have come into force since.
 */
const AS_OBSERVED = `s.key_thumbprint IS NULL AND s.generation = :generation AND encode(s.token_hash, 'hex') = :tokenHash
  AND encode(s.successor_hash, 'hex') IS NOT DISTINCT FROM :successorHash::text
  AND encode(s.previous_hash, 'hex') IS NOT DISTINCT FROM :previousHash::text
  AND (${IN_WINDOW}) = :inWindow`;

/** What the options say of every refresh: constants of the statements. Durations are in milliseconds. */
export interface RotationSettings {
  readonly leeway: number;
  readonly idleLifetime: number;
  /** Whether the address must be that of the row. */
  readonly isIpBound: boolean;
  readonly userAgent: UserAgentSettings;
  /** Whether `confirm` leaves forks to `endStolen`, which ends the user's other sessions in the same statement. */
  readonly reportsForks: boolean;
}

/** Every accepted refresh writes when and from where the session was seen, and that it lives on. */
export function seen(tables: SessionTables, settings: RotationSettings, ip: string, userAgent: string): string {
  const idle = interval(String(settings.idleLifetime));
  const own = tables.distributed ? "((clock.utc + s.idle_lifetime) AT TIME ZONE 'UTC')" : 'now() + s.idle_lifetime';
  return `last_seen_at = now(), expires_at = LEAST(now() + ${idle}, ${own}, s.absolute_expires_at),
    ip = COALESCE(${ip}, s.ip)${seenUserAgent(settings.userAgent, userAgent)}`;
}

/** The conditions under which the given client is the one that session `s` is bound to. */
function isOfClient(settings: RotationSettings, ip: string, userAgent: string): string[] {
  return [
    ...(settings.isIpBound ? [`${ip} IS NOT DISTINCT FROM s.ip`] : []),
    ...(settings.userAgent.isBound ? [hasUserAgent(settings.userAgent, userAgent)] : []),
  ];
}

/** Where a statement has the given token, its client, and the successor that is written where the case mints one. */
interface GivenToken {
  readonly generation: string;
  readonly hash: string;
  readonly candidateHash: string;
  readonly candidateSalt: string;
  readonly ip: string;
  readonly userAgent: string;
  readonly deadline: string;
  readonly now: string;
  readonly leewayUntil: string;
}

/**
 * The columns that a rotation writes, and whether an accepting case applies. Each CASE reads the row as it was: the
 * table of docs/protocol.md, first the cases of t = g, then those of t = g + 1.
 */
function rotation(
  tables: SessionTables,
  settings: RotationSettings,
  { generation, hash, candidateHash, candidateSalt, ip, userAgent, deadline, now, leewayUntil }: GivenToken,
) {
  const inWindow = `${now} < s.leeway_until`;
  const isCurrent = `s.generation = ${generation}`;
  const changes = `last_case = CASE
        WHEN ${isCurrent} AND s.successor_hash IS NULL THEN CASE WHEN ${inWindow} THEN '${CASE_LETTERS.unchanged}' ELSE '${CASE_LETTERS.mint}' END
        WHEN ${isCurrent} THEN CASE WHEN ${inWindow} 
          THEN '${CASE_LETTERS['retry-in-window']}' ELSE '${CASE_LETTERS['retry-of-lost-response']}' END
        ELSE CASE WHEN ${inWindow} THEN '${CASE_LETTERS.confirm}' ELSE '${CASE_LETTERS['confirm-and-mint']}' END
      END,
      generation = ${generation},
      token_hash = ${hash},
      previous_hash = CASE WHEN ${isCurrent} THEN s.previous_hash ELSE s.token_hash END,
      previous_salt = CASE WHEN ${isCurrent} THEN s.previous_salt ELSE s.successor_salt END,
      successor_hash = CASE WHEN NOT ${inWindow} THEN ${candidateHash} WHEN ${isCurrent} THEN s.successor_hash END,
      successor_salt = CASE WHEN NOT ${inWindow} THEN ${candidateSalt} WHEN ${isCurrent} THEN s.successor_salt END,
      leeway_until = CASE
        WHEN ${inWindow} AND ${isCurrent} AND s.successor_hash IS NULL THEN s.leeway_until
        ELSE ${leewayUntil}
      END,
      ${seen(tables, settings, ip, userAgent)}`;
  const applies = `${LIVE_OF_ID} AND s.key_thumbprint IS NULL AND ${updatesInTime(tables, deadline)} AND ((${isCurrent} AND s.token_hash = ${hash})
        OR (s.generation = ${generation} - 1 AND s.successor_hash = ${hash}))
      ${isOfClient(settings, ip, userAgent)
        .map(condition => `AND ${condition}`)
        .join(' ')}`;
  return { changes, applies };
}

/** The columns of `RotatedRow`. A retry in the window gets the successor that its token has already. */
function rotatedColumns(tables: SessionTables): string {
  const isRetry = `s.last_case = '${CASE_LETTERS['retry-in-window']}'`;
  return `${sessionColumns(tables, nowOfUpdate(tables))}, s.last_case,
    CASE WHEN ${isRetry} THEN s.successor_hash END AS child_hash,
    CASE WHEN ${isRetry} THEN s.successor_salt END AS child_salt`;
}

export function buildRotationStatements(tables: SessionTables, settings: RotationSettings) {
  const notInvalidated = isRefreshable(tables);
  const leewayUntil = `now() + ${interval(String(settings.leeway))}`;

  const one = rotation(tables, settings, {
    generation: ':generation',
    hash: ':hash',
    candidateHash: ':candidateHash',
    candidateSalt: ':candidateSalt',
    ip: ':ip::text',
    userAgent: ':userAgent::text',
    deadline: ':deadline::float8',
    now: nowOfUpdate(tables),
    leewayUntil: tables.distributed ? 'clock.leeway_until' : leewayUntil,
  });
  const rotate = statement<GivenValues, RotatedRow>(
    'jwt_session_rotate',
    `UPDATE ${tables.session} s SET ${one.changes} ${fromClock(tables, `, ${leewayUntil} AS leeway_until`)}
    WHERE ${OF_SESSION} AND ${notInvalidated} AND ${one.applies}
    RETURNING ${rotatedColumns(tables)}`,
  );

  // The same for several sessions, each decided for itself on its locked row. Rows that another transaction has locked
  // are left out: no request waits for the lock of another session, and two of these statements cannot deadlock.
  const each = rotation(tables, settings, {
    generation: 'asked.generation',
    hash: 'asked.hash',
    candidateHash: 'asked.candidate_hash',
    candidateSalt: 'asked.candidate_salt',
    ip: 'asked.ip',
    userAgent: 'asked.user_agent',
    deadline: 'asked.deadline',
    now: 'now()',
    leewayUntil,
  });
  const rotateSeveral = statement<ArraysOf<GivenValues> & Limited, RotatedRow>(
    'jwt_session_rotate_several',
    `WITH asked AS (
        SELECT * FROM unnest(:sessionId::uuid[], :bucket::smallint[], :generation::integer[], :hash::bytea[], :candidateHash::bytea[],
          :candidateSalt::bytea[], :ip::text[], :userAgent::text[], :deadline::float8[])
          AS asked (id, bucket, generation, hash, candidate_hash, candidate_salt, ip, user_agent, deadline)
        ORDER BY asked.id ${LIMITED}
      ), target AS (
        SELECT asked.* FROM asked CROSS JOIN LATERAL (
          SELECT FROM ${tables.session} s
          WHERE s.id = asked.id AND s.bucket = asked.bucket AND ${notInvalidated} AND ${each.applies}
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS locked
      )
      UPDATE ${tables.session} s SET ${each.changes}
      FROM target AS asked WHERE s.id = asked.id AND s.bucket = asked.bucket
      RETURNING ${rotatedColumns(tables)}`,
  );

  const readForRotation = statement<Pick<GivenValues, 'sessionId' | 'deadline' | 'ip' | 'userAgent'>, ObservedRow>(
    'jwt_session_read_for_rotation',
    `SELECT s.user_id, s.generation, encode(s.token_hash, 'hex') AS token_hash,
        encode(s.successor_hash, 'hex') AS successor_hash, encode(s.previous_hash, 'hex') AS previous_hash,
        ${IN_WINDOW} AS in_window, ${REVOKED_REASON} AS revoked_reason, s.expires_at <= now() AS expired,
        NOT (${notInvalidated}) AS invalidated, NOT (${inTime()}) AS late,
        encode(s.key_thumbprint, 'hex') AS key, encode(s.key_offered, 'hex') AS offered_key,
        (${['true', ...isOfClient(settings, ':ip::text', ':userAgent::text')].join(' AND ')}) IS NOT TRUE AS other_client,
        ${IS_REPLICA}, ${milliseconds('s.last_seen_at')} AS last_seen_ms, ${milliseconds('clock_timestamp()')} AS now_ms
      FROM ${tables.session} s WHERE ${OF_SESSION}`,
  );

  const answerLateParent = statement<Observation & ClientInfo, RotatedRow>(
    'jwt_session_answer_late_parent',
    `UPDATE ${tables.session} s SET last_case = '${CASE_LETTERS['late-parent']}', ${seen(tables, settings, ':ip::text', ':userAgent::text')}
      ${fromClock(tables)}
      WHERE ${OF_SESSION} AND ${AS_OBSERVED} AND ${updatesInTime(tables)} AND ${LIVE_OF_ID} AND ${notInvalidated}
      RETURNING ${sessionColumns(tables, nowOfUpdate(tables))}, s.last_case, s.token_hash AS child_hash, s.previous_salt AS child_salt`,
  );

  const recover = statement<Observation & RecoveredValues, RotatedRow>(
    'jwt_session_recover',
    `UPDATE ${tables.session} s SET last_case = '${CASE_LETTERS.recovered}', generation = :givenGeneration::integer,
        token_hash = :givenHash::bytea, previous_hash = NULL, previous_salt = NULL, successor_hash = NULL,
        successor_salt = NULL, leeway_until = now() + ${interval(String(settings.leeway))},
        ${seen(tables, settings, ':ip::text', ':userAgent::text')}
      ${fromClock(tables)}
      WHERE ${OF_SESSION} AND ${AS_OBSERVED} AND ${updatesInTime(tables)} AND ${LIVE_OF_ID} AND ${notInvalidated}
        AND s.generation < :givenGeneration::integer
      RETURNING ${sessionColumns(tables, nowOfUpdate(tables))}, s.last_case`,
  );

  // The rows are locked in id order before any is changed, as everywhere.
  const endStolen = statement<
    Observation & NoLimit & { reason: string; userId: string; allOfUser: boolean },
    { id: string }
  >(
    'jwt_session_end_stolen',
    `WITH chosen AS (
        SELECT :sessionId::uuid AS id
        UNION SELECT s.id FROM ${tables.session} s WHERE :allOfUser AND ${OF_USER} AND ${LIVE}
        ORDER BY id ${UNLIMITED}
      ), target AS (
        SELECT chosen.id FROM chosen CROSS JOIN LATERAL (
          SELECT FROM ${tables.session} s WHERE s.id = chosen.id AND ${IN_BUCKET} AND ${LIVE_OF_ID} FOR NO KEY UPDATE
        ) AS locked
      ), stolen AS (
        UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = :reason
        FROM target WHERE s.id = target.id AND ${OF_SESSION} AND ${AS_OBSERVED} AND ${updatesInTime(tables)}
        RETURNING s.id, s.revoked_reason AS reason
      ), others AS (
        UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = :reason
        FROM target
        WHERE s.id = target.id AND ${IN_BUCKET} AND s.id <> :sessionId AND EXISTS (SELECT 1 FROM stolen)
        RETURNING s.id, s.revoked_reason AS reason
      ), revoked AS (SELECT * FROM stolen UNION ALL SELECT * FROM others), ${announceSessions(tables)}
      SELECT id, (SELECT count(sent) FROM announced) AS notifications FROM ended`,
  );

  const confirmation = buildConfirmationStatements(tables, settings);
  return { rotate, rotateSeveral, readForRotation, answerLateParent, recover, endStolen, ...confirmation };
}

interface Deadline {
  /** In the database's clock, milliseconds since the epoch. */
  readonly deadline: number;
}

interface GivenValues extends Deadline {
  readonly sessionId: string;
  readonly generation: number;
  readonly hash: Buffer;
  readonly candidateHash: Buffer;
  readonly candidateSalt: Buffer;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

interface RecoveredValues extends ClientInfo {
  readonly givenGeneration: number;
  readonly givenHash: Buffer;
}

/** A row as it was read. */
interface Observation extends RotationState, Deadline {
  readonly sessionId: string;
}

interface ObservedRow {
  readonly user_id: string;
  readonly generation: number;
  readonly token_hash: string;
  readonly successor_hash: string | null;
  readonly previous_hash: string | null;
  readonly in_window: boolean;
  readonly revoked_reason: string | null;
  readonly expired: boolean;
  readonly invalidated: boolean;
  readonly late: boolean;
  readonly key: string | null;
  readonly offered_key: string | null;
  readonly other_client: boolean;
  readonly last_seen_ms: number;
}
