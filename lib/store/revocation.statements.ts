import { interval, milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import { notify, REVOKED_REASON } from './sql-fragments.js';
import type { SessionTables } from './tables.js';

export function buildRevocationStatements(tables: SessionTables) {
  const since = `clock_timestamp() - ${interval(':span')}`;
  return {
    // `echo` is selected as well, because a parameter must be used: with the polling feed nothing else mentions it.
    poll: statement<{ span: number; echo: string | null }, PollRow>(
      'jwt_session_revocation_poll',
      `SELECT ${milliseconds('clock_timestamp()')} AS now_ms,
          (SELECT json_agg(json_build_object('id', s.id, 'reason', ${REVOKED_REASON}))
            FROM ${tables.session} s WHERE s.revoked_at > ${since}) AS sessions,
          (SELECT json_agg(json_build_object('id', a.user_id, 'version', a.version))
            FROM ${tables.userAuth} a WHERE a.token_type = 'access' AND a.changed_at > ${since}) AS users,
          (SELECT json_agg(json_build_object('id', s.id, 'version', s.token_version))
            FROM ${tables.session} s WHERE s.claims_changed_at > ${since}) AS claims,
          (SELECT json_agg(k.kid) FROM ${tables.signingKey} k WHERE k.distrusted_at IS NOT NULL) AS keys,
          ${notify(tables, "json_build_object('echo', :echo::text)", ':echo::text IS NOT NULL')} AS echoed,
          :echo::text AS echo`,
    ),
    standing: statement<{ sessionId: string }, StandingRow>(
      'jwt_session_standing',
      `SELECT ${REVOKED_REASON} AS reason, (s.revoked_at IS NOT NULL OR s.expires_at <= now()) AS ended, s.token_version,
          (SELECT a.version FROM ${tables.userAuth} a
            WHERE a.user_id = s.user_id AND a.token_type = 'access')::text AS access_version,
          (SELECT json_agg(k.kid) FROM ${tables.signingKey} k WHERE k.distrusted_at IS NOT NULL) AS keys
        FROM (VALUES (:sessionId::uuid)) AS asked (id) LEFT JOIN ${tables.session} s ON s.id = asked.id`,
    ),
    invalidate: statement<{ userId: string; type: 'access' | 'refresh'; uuid: string }, { version: string }>(
      'jwt_session_invalidate',
      `WITH changed AS (
          INSERT INTO ${tables.userAuth} AS a (user_id, token_type, uuid, version, changed_at)
          VALUES (:userId, :type, :uuid, 1, clock_timestamp())
          ON CONFLICT (user_id, token_type)
            DO UPDATE SET uuid = EXCLUDED.uuid, version = a.version + 1, changed_at = clock_timestamp()
          RETURNING a.user_id, a.token_type, a.version
        )
        SELECT version::text, ${notify(tables, "json_build_object('users', json_build_array(json_build_object('id', user_id, 'version', version)))", "token_type = 'access'")} AS announced
        FROM changed`,
    ),
  };
}

interface PollRow {
  readonly now_ms: number;
  readonly sessions: { id: string; reason: string }[] | null;
  readonly users: { id: string; version: number }[] | null;
  readonly claims: { id: string; version: number }[] | null;
  readonly keys: string[] | null;
}

interface StandingRow {
  readonly reason: string | null;
  /** Null where there is no such session. */
  readonly ended: boolean | null;
  readonly token_version: number | null;
  readonly access_version: string | null;
  readonly keys: string[] | null;
}
