import { interval, milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import { insert, type NewSessionSettings, type NewSessionValues, VALUES } from './session-insert.js';
import type { CreatedRow } from './session.store.js';
import {
  announceSessions,
  IS_TIMELY,
  isRefreshable,
  LIVE_OF_ID,
  OF_SESSION,
  sessionColumns,
  type SessionRow,
  TIMED_COLUMNS,
  type TimedRow,
  timedRequest,
  type WithDeadline,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';

/**
 * A browser proves the key of its session (DBSC) at the route of keys alone. Without this rule a copy of its access cookie
 * would get new ones without the key, by an impersonation and its end.
 */
const IS_WITHOUT_BROWSER_KEY = "s.key_kind IS DISTINCT FROM 'dbsc'";

/** The cookies of an impersonation end with the browser where those of its actor do. */
const OF_ACTOR = {
  ...VALUES,
  remember: 'actor.remember',
  idleLifetime: milliseconds('actor.idle_lifetime'),
};

export interface ImpersonationSettings extends NewSessionSettings {
  /** Milliseconds. */
  readonly leeway: number;
}

export function buildImpersonationStatements(tables: SessionTables, settings: ImpersonationSettings) {
  const leeway = interval(String(settings.leeway));
  const idle = interval(String(settings.idleLifetime));
  return {
    // The actor's session must be live, and the actor's own. No lock: an end of it at the same moment counts as well,
    // because guard and refresh ask for it.
    impersonate: statement<NewImpersonation & WithDeadline, Omit<CreatedRow, 'ended'>>(
      'jwt_session_impersonate',
      `WITH ${timedRequest()}, actor AS (
          SELECT s.id, s.user_id, s.created_at, s.expires_at, s.remember, s.idle_lifetime FROM ${tables.session} s
          WHERE s.id = :actorSessionId AND s.bucket = :actorBucket AND s.user_id = :actorUserId AND s.actor_session_id IS NULL AND ${LIVE_OF_ID}
            AND ${isRefreshable(tables)} AND ${IS_WITHOUT_BROWSER_KEY} AND ${IS_TIMELY}
        ), created AS (
          ${insert(tables, settings, OF_ACTOR, sessionColumns, 'FROM actor', {
            sessionId: 'actor.id',
            userId: 'actor.user_id',
            reason: ':reason::text',
            authenticatedAt: 'actor.created_at',
            latest: `LEAST(now() + ${interval(':lifetime')}, actor.expires_at)`,
          })}
        )
        SELECT created.*, ${TIMED_COLUMNS} FROM request LEFT JOIN created ON true`,
    ),
    // The server does not know the actor's refresh token, and the client may have kept it no longer: a new one takes the
    // place of all that were issued, its successor among them. It has no parent, which shows that (case `superseded`).
    // Rows are locked in id order, as everywhere.
    endImpersonation: statement<EndedImpersonation & WithDeadline & { actorBucket: number }, ReturnedRow>(
      'jwt_session_end_impersonation',
      `WITH chosen AS (
          SELECT * FROM (VALUES (:sessionId::uuid, :bucket::smallint), (:actorSessionId::uuid, :actorBucket::smallint))
            AS chosen (id, bucket) ORDER BY id
        ), target AS (
          SELECT chosen.id FROM chosen CROSS JOIN LATERAL (
            SELECT FROM ${tables.session} s
            WHERE s.id = chosen.id AND s.bucket = chosen.bucket AND ${LIVE_OF_ID} AND ${isRefreshable(tables)}
              AND CASE s.id WHEN :sessionId THEN s.actor_session_id = :actorSessionId
                ELSE s.actor_session_id IS NULL AND ${IS_WITHOUT_BROWSER_KEY} END
            FOR NO KEY UPDATE
          ) AS locked
        ), ${timedRequest('target')}, actor AS (
          UPDATE ${tables.session} s SET generation = s.generation + 2, token_hash = :tokenHash, successor_hash = NULL,
            successor_salt = NULL, previous_hash = NULL, previous_salt = NULL, leeway_until = now() + ${leeway},
            last_seen_at = now(),
            expires_at = LEAST(now() + ${idle}, now() + s.idle_lifetime, s.absolute_expires_at)
          FROM (SELECT count(*) AS count FROM target) AS found
          WHERE s.id = :actorSessionId AND s.bucket = :actorBucket AND found.count = 2 AND ${IS_TIMELY}
          RETURNING ${sessionColumns(tables)}, s.generation, s.key_thumbprint, s.key_kind
        ), revoked AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = 'impersonation-ended'
          FROM actor WHERE ${OF_SESSION} RETURNING s.id, s.revoked_reason AS reason
        ), ${announceSessions(tables)}
        SELECT actor.*, (SELECT count(sent) FROM announced) AS notifications, ${TIMED_COLUMNS}
        FROM request LEFT JOIN actor ON true`,
    ),
  };
}

export interface NewImpersonation extends Omit<NewSessionValues, 'remember' | 'idleLifetime'> {
  readonly actorSessionId: string;
  readonly actorBucket: number;
  readonly actorUserId: string;
  readonly reason: string | undefined;
  /** Milliseconds. */
  readonly lifetime: number;
}

export interface EndedImpersonation {
  readonly sessionId: string;
  readonly actorSessionId: string;
  /** Of the actor's new refresh token. */
  readonly tokenHash: Buffer;
}

/** The actor's session; its columns are null where it, or the impersonation, is not live. */
export interface ReturnedRow extends SessionRow, TimedRow {
  readonly generation: number;
  readonly key_thumbprint: Buffer | null;
  readonly key_kind: 'dbsc' | 'dpop' | null;
}
