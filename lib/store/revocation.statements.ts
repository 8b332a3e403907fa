import { interval, milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import { NIL_UUID } from '../common/uuid.js';
import {
  actorAccessVersion,
  IN_BUCKET,
  inBucketOf,
  inTime,
  IS_REPLICA,
  isActorLive,
  LIMITED,
  type Limited,
  notify,
  REVOKED_REASON,
  type TimedRow,
  type WithDeadline,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';

/** A poll reads at most this many rows of each kind with one statement, so that no answer holds up the event loop. */
export const POLL_PAGE_ROWS = 500;

/** A slow clock makes a process's polls read more, at most this much. */
const MAX_CLOCK_LAG = "interval '1 day'";

export function buildRevocationStatements(tables: SessionTables) {
  return {
    // The window begins a span before the slower of both clocks: the process judges by its own how old a token is.
    // `echo` is selected because each parameter must be used: with the polling feed nothing else uses it.
    poll: statement<PollValues, PollRow>(
      'jwt_session_revocation_poll',
      `WITH clocks AS MATERIALIZED (
          SELECT clock_timestamp() AS now, ${fromMicroseconds('(:now::float8 * 1000)')} AS process_now
        ), span_start AS MATERIALIZED (
          SELECT GREATEST(LEAST(now, process_now), now - ${MAX_CLOCK_LAG}) - ${interval(':span')} AS since FROM clocks
        )
        SELECT ${milliseconds('(SELECT now FROM clocks)')} AS now_ms, ${IS_REPLICA}, pg_postmaster_start_time()::text AS server,
          pg_snapshot_xmin(pg_current_snapshot())::text AS oldest_transaction,
          pg_snapshot_xmax(pg_current_snapshot())::text AS next_transaction,
          ${page({
            kind: 'sessions',
            columns: `s.id, ${REVOKED_REASON} AS reason`,
            from: `${tables.session} s WHERE s.revoked_at IS NOT NULL`,
            at: 's.revoked_at',
            id: 's.id',
            idType: 'uuid',
          })},
          ${page({
            kind: 'users',
            columns: 'a.user_id AS id, a.version',
            from: `${tables.userAuth} a WHERE a.token_type = 'access'`,
            at: 'a.changed_at',
            id: 'a.user_id',
            idType: 'text',
          })},
          ${page({
            kind: 'claims',
            columns: 's.id, s.token_version AS version',
            from: `${tables.session} s WHERE s.claims_changed_at IS NOT NULL`,
            at: 's.claims_changed_at',
            id: 's.id',
            idType: 'uuid',
          })},
          (SELECT json_agg(k.kid) FROM ${tables.signingKey} k WHERE k.distrusted_at IS NOT NULL) AS keys,
          ${notify(tables, "json_build_object('echo', :echo::text)", ':echo::text IS NOT NULL')} AS echoed,
          :echo::text AS echo`,
    ),
    restoreSessions: statement<LostRows<string>, { id: string }>(
      'jwt_session_restore_sessions',
      `WITH ${lostSessions(tables, 'text', "COALESCE(s.revoked_at, 'infinity') = 'infinity'")}
        UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = target.value
        FROM target WHERE s.id = target.id AND ${inBucketOf(tables, 'target')} RETURNING s.id`,
    ),
    restoreUsers: statement<LostRows<number>, { id: string }>(
      'jwt_session_restore_users',
      `INSERT INTO ${tables.userAuth} AS a (user_id, token_type, bucket, uuid, version, changed_at)
        SELECT lost.id, 'access', lost.bucket, gen_random_uuid(), lost.value, clock_timestamp()
        FROM unnest(:id::text[], :bucket::smallint[], :value::bigint[]) AS lost (id, bucket, value) ORDER BY lost.id
        ON CONFLICT (user_id, token_type, bucket)
          DO UPDATE SET uuid = EXCLUDED.uuid, version = EXCLUDED.version, changed_at = EXCLUDED.changed_at
          WHERE a.version < EXCLUDED.version
        RETURNING a.user_id AS id`,
    ),
    restoreClaims: statement<LostRows<number>, { id: string }>(
      'jwt_session_restore_claims',
      `WITH ${lostSessions(tables, 'integer', 's.token_version < lost.value')}
        UPDATE ${tables.session} s SET token_version = target.value, claims_changed_at = (SELECT clock_timestamp())
        FROM target WHERE s.id = target.id AND ${inBucketOf(tables, 'target')} RETURNING s.id`,
    ),
    validity: statement<{ sessionId: string }, ValidityRow>(
      'jwt_session_validity',
      `SELECT CASE WHEN ${isActorLive(tables)} THEN ${REVOKED_REASON} ELSE COALESCE(${REVOKED_REASON}, 'revoked') END AS reason,
          (s.revoked_at IS NOT NULL OR s.expires_at <= now() OR NOT ${isActorLive(tables)}) AS ended, s.token_version,
          CASE WHEN s.actor_session_id IS NOT NULL THEN ${actorAccessVersion(tables)}::text END
            AS actor_access_version,
          a.version::text AS access_version,
          (SELECT json_agg(k.kid) FROM ${tables.signingKey} k WHERE k.distrusted_at IS NOT NULL) AS keys, ${IS_REPLICA}
        FROM (VALUES (:sessionId::uuid)) AS asked (id) LEFT JOIN ${tables.session} s
          ON s.id = asked.id AND ${IN_BUCKET}
          LEFT JOIN ${tables.userAuth} a
          ON a.user_id = s.user_id AND a.token_type = 'access' AND a.bucket = :bucket`,
    ),
    // A late one would also invalidate tokens that were issued since. The version is a time, so that an invalidation
    // whose commit is lost and a later one never have the same.
    invalidate: statement<
      { userId: string; type: 'access' | 'refresh'; uuid: string } & WithDeadline,
      TimedRow & { version: string | null }
    >(
      'jwt_session_invalidate',
      `WITH changed AS (
          INSERT INTO ${tables.userAuth} AS a (user_id, token_type, bucket, uuid, version, changed_at)
          SELECT :userId::text, :type::text, :bucket::smallint, :uuid::uuid, ${milliseconds('clock_timestamp()')}::bigint,
            clock_timestamp() WHERE ${inTime()}
          ON CONFLICT (user_id, token_type, bucket)
            DO UPDATE SET uuid = EXCLUDED.uuid, version = GREATEST(a.version + 1, EXCLUDED.version), ${
              // What such an engine takes here is immutable, so that only the begin of the statement is asked for.
              tables.distributed
                ? 'changed_at = EXCLUDED.changed_at'
                : `changed_at = clock_timestamp() WHERE ${inTime()}`
            }
          RETURNING a.user_id, a.token_type, a.version
        )
        SELECT version::text, ${notify(tables, "json_build_object('users', json_build_array(json_build_object('id', user_id, 'version', version)))", "token_type = 'access'")} AS announced,
          version IS NULL AS late, ${milliseconds('clock_timestamp()')} AS now_ms
        FROM (VALUES (1)) AS request LEFT JOIN changed ON true`,
    ),
  };
}

/** The CTE `target` with the sessions among the lost rows that are to be changed; each is locked by its key. */
function lostSessions(tables: SessionTables, type: string, isLost: string): string {
  return `lost AS (
          SELECT * FROM unnest(:id::uuid[], :bucket::smallint[], :value::${type}[]) AS lost (id, bucket, value) ORDER BY lost.id ${LIMITED}
        ), target AS (
          SELECT lost.* FROM lost CROSS JOIN LATERAL (
            SELECT FROM ${tables.session} s WHERE s.id = lost.id AND ${inBucketOf(tables, 'lost')} AND ${isLost} FOR NO KEY UPDATE
          ) AS locked
        )`;
}

/**
 * The next rows of one kind in the order of their change, after those that the poll has read. The cursor is compared
 * with scalar subqueries: PostgreSQL uses no index for a condition with a volatile function. The limit is a parameter:
 * the planner expects few rows, and reads them in the order of the index even where the table was small at that time.
 */
function page(of: { kind: string; columns: string; from: string; at: string; id: string; idType: string }): string {
  const afterTime = `(SELECT COALESCE(${fromMicroseconds(`:${of.kind}At::float8`)}, since) FROM span_start)`;
  const afterId = `COALESCE(:${of.kind}Id::${of.idType}, ${of.idType === 'uuid' ? `'${NIL_UUID}'::uuid` : "''"})`;
  return `(SELECT json_agg(page) FROM (
            SELECT ${of.columns}, (extract(epoch FROM ${of.at}) * 1000000)::bigint AS at FROM ${of.from}
              AND (${of.at}, ${of.id}) > (${afterTime}, ${afterId})
            ORDER BY ${of.at}, ${of.id} LIMIT :pageRows::bigint
          ) AS page) AS ${of.kind}`;
}

/** Exact, unlike `to_timestamp`, which takes seconds. */
function fromMicroseconds(microseconds: string): string {
  return `('epoch'::timestamptz + ${microseconds} * interval '1 microsecond')`;
}

/** The last row of a kind that a poll has read; null before the first. `at` is in microseconds since the epoch. */
export interface PollCursor {
  readonly sessionsAt: number | null;
  readonly sessionsId: string | null;
  readonly usersAt: number | null;
  readonly usersId: string | null;
  readonly claimsAt: number | null;
  readonly claimsId: string | null;
}

/** What a failover has lost. */
export interface LostRows<Value> extends Limited {
  readonly id: readonly string[];
  readonly bucket: readonly number[];
  /** The reason or the version of each. */
  readonly value: readonly Value[];
}

interface PollValues extends PollCursor {
  readonly span: number;
  readonly pageRows: number;
  /** The process's clock, in milliseconds since the epoch. */
  readonly now: number;
  readonly echo: string | null;
}

export interface PollRow {
  readonly now_ms: number;
  readonly server: string;
  readonly oldest_transaction: string;
  readonly next_transaction: string;
  readonly sessions: { id: string; reason: string; at: number }[] | null;
  readonly users: { id: string; version: number; at: number }[] | null;
  readonly claims: { id: string; version: number; at: number }[] | null;
  readonly keys: string[] | null;
}

interface ValidityRow {
  readonly reason: string | null;
  /** Null where there is no such session. */
  readonly ended: boolean | null;
  readonly token_version: number | null;
  readonly access_version: string | null;
  readonly actor_access_version: string | null;
  readonly keys: string[] | null;
}
