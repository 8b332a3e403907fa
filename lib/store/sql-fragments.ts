import { milliseconds } from '../common/sql.js';
import type { TokenActor } from '../rules/revocation-state.js';
import type { SessionTables } from './tables.js';

/** A session as `refresh` and `logIn` need it to mint tokens; times are milliseconds since the epoch. */
export interface SessionRow {
  readonly id: string;
  readonly user_id: string;
  readonly claims: Record<string, unknown>;
  readonly token_version: number;
  /** False where the cookies end with the browser. */
  readonly remember: boolean | null;
  readonly access_version: string;
  readonly authenticated_ms: number;
  readonly expires_ms: number;
  /** The database's clock when the statement ran. */
  readonly now_ms: number;
  /** Who impersonates the user; null or absent in a session of the user's own. */
  readonly actor?: TokenActor | null;
}

/** Values of several requests, one array for each parameter. */
export type ArraysOf<T> = { readonly [Key in keyof T]: readonly T[Key][] };

/**
 * The bucket of session `s` is that of the given session or user, which `Database` fills in. An engine that distributes
 * the tables runs the statement on the machine of that bucket alone.
 */
export const IN_BUCKET = 's.bucket = :bucket';

export const OF_SESSION = `s.id = :sessionId AND ${IN_BUCKET}`;

export const OF_USER = `s.user_id = :userId AND ${IN_BUCKET}`;

/** Session `s` has neither ended nor expired. For statements that find rows by their user: the index has only these. */
export const LIVE = 's.revoked_at IS NULL AND s.expires_at > now()';

/**
 * The same for rows that are found by their id. The planner does not recognise the condition of the index on users in
 * it: on a new table that index looks as cheap as the primary key, and a prepared plan would read all of it for each
 * id.
 */
export const LIVE_OF_ID = "COALESCE(s.revoked_at, 'infinity') = 'infinity' AND s.expires_at > now()";

/**
 * The deadline has not passed in the database's clock. A statement after it changes nothing: its request was given up.
 */
export function inTime(deadline = ':deadline::float8'): string {
  return `extract(epoch FROM clock_timestamp()) * 1000 < ${deadline}`;
}

/** For statements that read what decides. `Database` refuses the answer of a replica, which may be behind. */
export const IS_REPLICA = 'pg_is_in_recovery() AS is_replica';

/**
 * The same in the condition of an UPDATE. There PostgreSQL asks again when it has waited for a row. An engine that
 * distributes the tables takes no volatile function in that place, so that it asks once, when the statement begins.
 */
export function updatesInTime(tables: SessionTables, deadline?: string): string {
  return tables.distributed ? `(SELECT ${inTime(deadline)})` : inTime(deadline);
}

/**
 * For an UPDATE: such an engine takes only immutable functions in CASE and RETURNING, and on columns, so that the time is
 * read before. The sum of a time with a zone and an interval depends on the zone, and is not immutable; `utc` has none.
 */
export function fromClock(tables: SessionTables, others = ''): string {
  return tables.distributed
    ? `FROM (SELECT now() AS now, now() AT TIME ZONE 'UTC' AS utc${others} OFFSET 0) AS clock`
    : '';
}

/** The time in the CASE or RETURNING of such an UPDATE. */
export function nowOfUpdate(tables: SessionTables): string {
  return tables.distributed ? 'clock.now' : 'now()';
}

/** Session `s` is in the bucket of a row; where tables are distributed that is the only row (`Database.queryRows`). */
export function inBucketOf(tables: SessionTables, row: string): string {
  return tables.distributed ? 's.bucket = (:bucket::smallint[])[1]' : `s.bucket = ${row}.bucket`;
}

/** A row of a statement with a deadline, which has at least one. */
export interface TimedRow {
  /** The statement ran after its deadline, and has changed nothing. */
  readonly late: boolean;
  /** The database's clock when the statement decided. */
  readonly now_ms: number;
}

export interface WithDeadline {
  /** In the database's clock, milliseconds since the epoch. */
  readonly deadline: number;
}

/**
 * A CTE `request`, whose time is read once, so that the statement changes all or nothing.
 *
 * @param locked a CTE that has locked the rows: the time after the wait for them counts
 */
export function timedRequest(locked?: string): string {
  return `request AS MATERIALIZED (
      SELECT clock_timestamp() AS time, ${inTime()} AS timely
      ${locked ? `FROM (SELECT count(*) FROM ${locked}) AS locked` : ''}
    )`;
}

/** For the conditions of the CTEs that change something. */
export const IS_TIMELY = '(SELECT timely FROM request)';

/** The columns of `TimedRow`, from `request`. */
export const TIMED_COLUMNS = `NOT request.timely AS late, ${milliseconds('request.time')} AS now_ms`;

/** Why session `s` ended early, or NULL. Rows that were ended by hand may lack a reason. */
export const REVOKED_REASON = "CASE WHEN s.revoked_at IS NOT NULL THEN COALESCE(s.revoked_reason, 'revoked') END";

/** The UUID under which a user's refresh tokens are issued; NULL for a user without invalidations. */
export function refreshAuthUuid(tables: SessionTables, userId: string, bucket: string): string {
  return `(SELECT a.uuid FROM ${tables.userAuth} a
      WHERE a.user_id = ${userId} AND a.token_type = 'refresh' AND a.bucket = ${bucket})`;
}

/** The version of the access tokens of the user of session `s`: each invalidation raises it. 0 without one. */
export function accessVersion(tables: SessionTables): string {
  return `COALESCE((SELECT a.version FROM ${tables.userAuth} a
      WHERE a.user_id = s.user_id AND a.token_type = 'access' AND a.bucket = s.bucket), 0)`;
}

/** The same of the user who impersonates that one, and is in another bucket. */
export function actorAccessVersion(tables: SessionTables): string {
  if (tables.distributed) return '0';
  return `COALESCE((SELECT a.version FROM ${tables.userAuth} a
      WHERE a.user_id = s.actor_user_id AND a.token_type = 'access'), 0)`;
}

/**
 * Session `s` is the user's own, or the session of its actor has neither ended nor lost its refresh tokens. A statement
 * that ends the actor's session does not see an impersonation that begins at the same moment, so refreshing asks here.
 * A scalar subquery: PostgreSQL might read the whole table once for an EXISTS. Where the tables are distributed there are
 * no impersonations: actor and user are on different machines.
 */
export function isActorLive(tables: SessionTables): string {
  if (tables.distributed) return 'true';
  return `(s.actor_session_id IS NULL OR COALESCE((
      SELECT actor.revoked_at IS NULL AND ${isNotInvalidated(tables, 'actor')}
      FROM ${tables.session} actor WHERE actor.id = s.actor_session_id), false))`;
}

/** The user's refresh tokens were not invalidated since the session began. */
function isNotInvalidated(tables: SessionTables, session = 's'): string {
  return `${session}.refresh_auth_uuid IS NOT DISTINCT FROM ${refreshAuthUuid(tables, `${session}.user_id`, `${session}.bucket`)}`;
}

/** Whether neither the user's refresh tokens were invalidated nor, in an impersonation, those of the actor. */
export function isRefreshable(tables: SessionTables): string {
  return `${isNotInvalidated(tables)} AND ${isActorLive(tables)}`;
}

/** The columns of `SessionRow` for row `s`. */
export function sessionColumns(tables: SessionTables, now = 'now()'): string {
  const columns = `s.user_id, s.claims, s.token_version, s.remember, ${mintColumns(tables, now)}`;
  if (tables.distributed) return `${columns}, NULL::json AS actor`;
  return `${columns},
    CASE WHEN s.actor_session_id IS NOT NULL THEN json_build_object('userId', s.actor_user_id,
      'sessionId', s.actor_session_id, 'accessVersion', ${actorAccessVersion(tables)}) END AS actor`;
}

/** Those of them that the database alone knows of a new row. */
export function mintColumns(tables: SessionTables, now = 'now()'): string {
  return `s.id,
    ${accessVersion(tables)}::text AS access_version,
    ${timeColumns(tables, now)}`;
}

/** The times of a new row. An engine that distributes the tables takes only immutable functions in RETURNING. */
export function timeColumns({ distributed }: SessionTables, now: string): string {
  const time = (expression: string) =>
    milliseconds(distributed ? `(${expression} - 'epoch'::timestamptz)` : expression);
  return `${time('s.created_at')} AS authenticated_ms,
    ${time('s.expires_at')} AS expires_ms,
    ${time(now)} AS now_ms`;
}

/**
 * Rows to change are listed by id, each is locked by a lookup of its own (LATERAL), and the list has a limit that is a
 * parameter. The planner cannot know that limit and expects few rows, so that it finds them by the primary key.
 * Otherwise a plan from the time when the table was small would read all of it, until the table is analysed.
 */
export const LIMITED = 'LIMIT :count::bigint';

export interface Limited {
  /** How many rows the list has. */
  readonly count: number;
}

/** The same for lists of unknown length: NULL is no limit. */
export const UNLIMITED = 'LIMIT :noLimit::bigint';

export interface NoLimit {
  readonly noLimit: null;
}

/** More than any statement ends. */
const MAX_ENDED_AT_ONCE = 1_000_000_000;

const IDS_PER_NOTIFICATION = 150;

/** A full queue makes COMMIT fail. Above this fill level nothing is sent. */
const MAX_QUEUE_USAGE = 0.5;

/**
 * An expression that sends a message (json). It is true, or NULL where nothing is sent. `Database` fills in `:channel`
 * and `:processId`. With the polling feed no statement mentions NOTIFY: databases without it refuse it, and poolers
 * swallow it.
 *
 * The queue fills up where a listener does not read. Then nothing is sent, so that revoking does not fail. Other
 * processes learn from their polls, which come every second while their echoes are missing.
 */
export function notify(tables: SessionTables, message: string, condition = 'true'): string {
  if (!tables.notifies) return '(NULL::boolean)';
  const signed = `jsonb_build_object('processId', :processId::text) || (${message})::jsonb`;
  const sends = `:channel::text IS NOT NULL AND (${condition}) AND pg_notification_queue_usage() < ${MAX_QUEUE_USAGE}`;
  return `(CASE WHEN ${sends} THEN pg_notify(:channel::text, (${signed})::text) IS NOT NULL END)`;
}

/**
 * CTEs after `revoked (id, reason)`, the sessions that a statement ends. `ended (id, reason, ended_with)` has these and
 * the impersonations that end with their actor's session. `announced` notifies of them, in messages short enough for
 * NOTIFY (8,000 bytes). Select `count(sent) FROM announced`: PostgreSQL leaves out a CTE that nothing reads.
 *
 * Impersonations that another statement has locked are left out, so that no log-out waits for the lock of a foreign
 * session and no two deadlock. Their tokens do not count either: guard and refresh ask for the actor's session. The
 * sort reads all of `revoked` first, so that no row is changed twice. The planner does not know the limit, as that of
 * `LIMITED`.
 *
 * The reason `replaced` is for the client that has the cookies of the new login, which this one need not be.
 */
export function announceSessions(tables: SessionTables): string {
  // Without impersonations and notifications.
  if (tables.distributed) {
    return `ended AS (SELECT id, reason, id AS ended_with FROM revoked),
  announced AS (SELECT NULL::boolean AS sent FROM ended)`;
  }
  return `begun AS (
    SELECT found.id, found.bucket, actor.id AS ended_with, COALESCE(NULLIF(actor.reason, 'replaced'), 'actor-replaced') AS reason
    FROM (SELECT id, reason FROM revoked ORDER BY id LIMIT (SELECT ${MAX_ENDED_AT_ONCE})) AS actor
    CROSS JOIN LATERAL (
      SELECT s.id, s.bucket FROM ${tables.session} s
      WHERE s.actor_session_id = actor.id AND s.revoked_at IS NULL AND s.expires_at > now()
      FOR NO KEY UPDATE SKIP LOCKED
    ) AS found
  ), impersonations AS (
    UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = begun.reason
    FROM (SELECT * FROM begun LIMIT (SELECT ${MAX_ENDED_AT_ONCE})) AS begun
    WHERE s.id = begun.id AND s.bucket = begun.bucket
    RETURNING s.id, s.revoked_reason AS reason, begun.ended_with
  ), ended AS (
    SELECT id, reason, id AS ended_with FROM revoked UNION ALL SELECT id, reason, ended_with FROM impersonations
  ), announced AS (
    SELECT ${notify(tables, "json_build_object('sessions', json_agg(id), 'reason', reason)")} AS sent
    FROM (
      SELECT id, reason, (row_number() OVER (PARTITION BY reason ORDER BY id) - 1) / ${IDS_PER_NOTIFICATION} AS message
      FROM ended
    ) AS numbered
    GROUP BY reason, message
  )`;
}
