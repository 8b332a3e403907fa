import { milliseconds } from '../common/sql.js';
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
}

/** Values of several requests, one array for each parameter. */
export type ArraysOf<T> = { readonly [Key in keyof T]: readonly T[Key][] };

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
export function refreshAuthUuid(tables: SessionTables, userId: string): string {
  return `(SELECT a.uuid FROM ${tables.userAuth} a WHERE a.user_id = ${userId} AND a.token_type = 'refresh')`;
}

/** How often the access tokens of the user of row `s` were invalidated. */
export function accessVersion(tables: SessionTables): string {
  return `COALESCE((SELECT a.version FROM ${tables.userAuth} a
      WHERE a.user_id = s.user_id AND a.token_type = 'access'), 0)`;
}

/** The columns of `SessionRow` for row `s`. */
export function sessionColumns(tables: SessionTables): string {
  return `s.user_id, s.claims, s.token_version, s.remember, ${mintColumns(tables)}`;
}

/** Those of them that the database alone knows of a new row. */
export function mintColumns(tables: SessionTables): string {
  return `s.id,
    ${accessVersion(tables)}::text AS access_version,
    ${milliseconds('s.created_at')} AS authenticated_ms,
    ${milliseconds('s.expires_at')} AS expires_ms,
    ${milliseconds('now()')} AS now_ms`;
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
 * A CTE `announced` that notifies of the sessions in the CTE `ended (id, reason)`, in messages short enough for NOTIFY
 * (8,000 bytes). Select `count(sent) FROM announced`: PostgreSQL leaves out a CTE that nothing reads.
 */
export function announceSessions(tables: SessionTables): string {
  return `announced AS (
    SELECT ${notify(tables, "json_build_object('sessions', json_agg(id), 'reason', reason)")} AS sent
    FROM (
      SELECT id, reason, (row_number() OVER (PARTITION BY reason ORDER BY id) - 1) / ${IDS_PER_NOTIFICATION} AS message
      FROM ended
    ) AS numbered
    GROUP BY reason, message
  )`;
}
