import { statement } from '../common/statement.js';
import {
  announceSessions,
  IN_BUCKET,
  IS_TIMELY,
  type ArraysOf,
  LIMITED,
  type Limited,
  LIVE,
  LIVE_OF_ID,
  type NoLimit,
  OF_SESSION,
  OF_USER,
  TIMED_COLUMNS,
  type TimedRow,
  timedRequest,
  UNLIMITED,
  type WithDeadline,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';

// A subquery: an engine that distributes the tables takes no volatile function here.
const REVOKED_AT = 'revoked_at = (SELECT clock_timestamp())';

/**
 * The ends of sessions. Rows are locked in id order: two statements that end several sessions of a user would otherwise
 * deadlock.
 */
export function buildEndStatements(tables: SessionTables) {
  return {
    // Without a deadline: what is late ends no other session.
    endOne: statement<OneSession & Reason, { id: string }>(
      'jwt_session_end_one',
      `WITH ${end(tables, `${OF_SESSION} AND (:ownedBy::text IS NULL OR s.user_id = :ownedBy) AND ${LIVE_OF_ID}`)}
      SELECT id, (SELECT count(sent) FROM announced) AS notifications FROM ended`,
    ),
    // A late one would also end sessions that were logged in to since.
    endOfUser: statement<SessionsOfUser & Reason & WithDeadline, EndedRow>(
      'jwt_session_end_of_user',
      `WITH ${end(
        tables,
        `${OF_USER} AND s.id IS DISTINCT FROM :except::uuid AND ${LIVE}`,
        `${timedRequest('target')},`,
        IS_TIMELY,
      )}
      SELECT ended.id, (SELECT count(sent) FROM announced) AS notifications, ${TIMED_COLUMNS}
      FROM request LEFT JOIN ended ON true`,
    ),
    // The same for several requests at once, each with its own reason. A session that another transaction has locked
    // has no row in the answer.
    endSeveral: statement<ArraysOf<OneSession & Reason> & Limited, { asked: string; id: string | null }>(
      'jwt_session_end_several',
      `WITH asked AS (
          SELECT asked.*, (
            SELECT true FROM ${tables.session} s
            WHERE s.id = asked.id AND s.bucket = asked.bucket AND s.user_id = COALESCE(asked.owned_by, s.user_id) AND ${LIVE_OF_ID}
          ) AS live
          FROM unnest(:sessionId::uuid[], :bucket::smallint[], :ownedBy::text[], :reason::text[])
            AS asked (id, bucket, owned_by, reason)
          ORDER BY asked.id ${LIMITED}
        ), target AS (
          SELECT asked.id, asked.bucket, asked.reason FROM asked CROSS JOIN LATERAL (
            SELECT FROM ${tables.session} s
            WHERE s.id = asked.id AND s.bucket = asked.bucket AND ${LIVE_OF_ID} FOR NO KEY UPDATE SKIP LOCKED
          ) AS locked
          WHERE asked.live
        ), revoked AS (
          UPDATE ${tables.session} s SET ${REVOKED_AT}, revoked_reason = target.reason
          FROM target WHERE s.id = target.id AND s.bucket = target.bucket
          RETURNING s.id, s.revoked_reason AS reason
        ), ${announceSessions(tables)}
        SELECT asked.id AS asked, ended.id, (SELECT count(sent) FROM announced) AS notifications
        FROM asked LEFT JOIN ended ON ended.ended_with = asked.id
        WHERE ended.id IS NOT NULL OR asked.live IS NULL`,
    ),
    // The same by users. A user of whom a session is locked has no row in the answer, and keeps all sessions; no user
    // has one where the statement is late. The rows are not joined here: the planner expects few, and would compare
    // each with each.
    endOfUsers: statement<ArraysOf<SessionsOfUser & Reason> & Limited & NoLimit & WithDeadline, EndedOfUsersRow>(
      'jwt_session_end_of_users',
      `WITH asked AS (
          SELECT * FROM unnest(:userId::text[], :bucket::smallint[], :except::uuid[], :reason::text[])
            AS asked (user_id, bucket, except_id, reason)
          ORDER BY asked.user_id ${LIMITED}
        ), live AS (
          SELECT found.id, asked.user_id, asked.bucket, asked.reason FROM asked CROSS JOIN LATERAL (
            SELECT s.id FROM ${tables.session} s
            WHERE s.user_id = asked.user_id AND s.bucket = asked.bucket AND s.id IS DISTINCT FROM asked.except_id AND ${LIVE}
          ) AS found
          ORDER BY found.id ${UNLIMITED}
        ), target AS (
          SELECT live.* FROM live CROSS JOIN LATERAL (
            SELECT FROM ${tables.session} s
            WHERE s.id = live.id AND s.bucket = live.bucket AND ${LIVE_OF_ID} FOR NO KEY UPDATE SKIP LOCKED
          ) AS locked
        ), held AS (
          SELECT live.user_id FROM live WHERE live.id NOT IN (SELECT target.id FROM target)
        ), ${timedRequest()}, revoked AS (
          UPDATE ${tables.session} s SET ${REVOKED_AT}, revoked_reason = target.reason
          FROM target
          WHERE s.id = target.id AND s.bucket = target.bucket AND target.user_id NOT IN (SELECT held.user_id FROM held)
            AND ${IS_TIMELY}
          RETURNING s.id, s.user_id, s.revoked_reason AS reason
        ), ${announceSessions(tables)}
        SELECT asked.user_id, NULL::uuid AS id, NULL::uuid AS ended_with, (SELECT count(sent) FROM announced) AS notifications
        FROM asked WHERE asked.user_id NOT IN (SELECT held.user_id FROM held) AND ${IS_TIMELY}
        UNION ALL SELECT revoked.user_id, revoked.id, NULL, NULL FROM revoked
        UNION ALL SELECT NULL, ended.id, ended.ended_with, NULL FROM ended WHERE ended.id <> ended.ended_with`,
    ),
  };
}

interface Reason {
  readonly reason: string;
}

interface OneSession {
  readonly sessionId: string;
  readonly ownedBy: string | undefined;
}

interface SessionsOfUser {
  readonly userId: string;
  readonly except: string | undefined;
}

/** In this order: users whose sessions have ended, without an id; these sessions; impersonations that ended with one. */
type EndedOfUsersRow =
  | { readonly user_id: string; readonly id: null; readonly ended_with: null }
  | { readonly user_id: string; readonly id: string; readonly ended_with: null }
  | { readonly user_id: null; readonly id: string; readonly ended_with: string };

/** The id is null where there was no live session. */
interface EndedRow extends TimedRow {
  readonly id: string | null;
}

/**
 * The CTEs that end the selected sessions with the impersonations of their users, and announce that.
 *
 * @param request a CTE after the locks, for the condition
 */
function end(tables: SessionTables, selected: string, request = '', condition = 'true'): string {
  return `target AS (
        SELECT s.id FROM ${tables.session} s WHERE ${selected} ORDER BY s.id FOR NO KEY UPDATE
      ), ${request} revoked AS (
        UPDATE ${tables.session} s SET ${REVOKED_AT}, revoked_reason = :reason
        FROM target WHERE s.id = target.id AND ${IN_BUCKET} AND ${condition}
        RETURNING s.id, s.revoked_reason AS reason
      ), ${announceSessions(tables)}`;
}
