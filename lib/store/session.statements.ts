import { interval, milliseconds, type Statement } from './database.js';
import { announceSessions, authUuid, notify, sessionColumns } from './statements.js';
import type { SessionTables } from './tables.js';

const LIVE = 's.revoked_at IS NULL AND s.expires_at > now()';

export function buildSessionStatements(tables: SessionTables) {
  return {
    create: {
      name: 'jwt_session_create',
      text: create(tables, {
        ended: `ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = 'replaced'
          WHERE s.id = $11::uuid AND ${LIVE} RETURNING s.id, s.revoked_reason AS reason
        )`,
        condition: 'true',
      }),
    },
    // Evicts the oldest of the user's live sessions beyond the limit, or inserts nothing where none may be evicted.
    createWithin: {
      name: 'jwt_session_create_within',
      text: create(tables, {
        ended: `others AS (
          SELECT s.id FROM ${tables.session} s
          WHERE s.user_id = $2 AND s.id IS DISTINCT FROM $11::uuid AND ${LIVE}
          ORDER BY s.created_at DESC, s.id DESC OFFSET $12::integer - 1
        ), target AS (
          SELECT s.id FROM ${tables.session} s
          WHERE (s.id = $11::uuid OR s.id IN (SELECT id FROM others))
            AND ($13 OR NOT EXISTS (SELECT 1 FROM others)) AND ${LIVE}
          ORDER BY s.id FOR NO KEY UPDATE
        ), ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(),
            revoked_reason = CASE WHEN s.id = $11::uuid THEN 'replaced' ELSE 'evicted' END
          FROM target WHERE s.id = target.id AND ${LIVE} RETURNING s.id, s.revoked_reason AS reason
        )`,
        condition: '$13 OR NOT EXISTS (SELECT 1 FROM others)',
      }),
    },
    // No table of ours has a row for every user, so that the lock is on the user's name.
    lockUser: {
      name: 'jwt_session_lock_user',
      text: `SELECT pg_advisory_xact_lock(hashtextextended('${tables.session}' || $1, 0))`,
    },
    endOne: end(tables, 'end_one', 's.id = $1 AND ($3::text IS NULL OR s.user_id = $3)'),
    endOfUser: end(tables, 'end_of_user', 's.user_id = $1 AND s.id IS DISTINCT FROM $3::uuid'),
    get: {
      name: 'jwt_session_get',
      text: `SELECT ${sessionColumns(tables)}, s.data, s.label FROM ${tables.session} s WHERE s.id = $1 AND ${LIVE}`,
    },
    list: {
      name: 'jwt_session_list',
      text: `SELECT s.id, s.label, s.user_agent, s.ip, ${milliseconds('s.created_at')} AS created_ms,
          ${milliseconds('s.last_seen_at')} AS last_seen_ms
        FROM ${tables.session} s WHERE s.user_id = $1 AND ${LIVE} ORDER BY s.last_seen_at DESC, s.id DESC`,
    },
    getData: {
      name: 'jwt_session_get_data',
      text: `SELECT s.data FROM ${tables.session} s WHERE s.id = $1 AND ${LIVE}`,
    },
    setData: {
      name: 'jwt_session_set_data',
      text: `UPDATE ${tables.session} s SET data = $2 WHERE s.id = $1 AND ${LIVE} RETURNING s.id`,
    },
    // The claims hook's answer at refresh: the tokens issued with it are the first that have it, so no version is raised.
    keepClaims: {
      name: 'jwt_session_keep_claims',
      text: `UPDATE ${tables.session} s SET claims = $2 WHERE s.id = $1 AND ${LIVE} RETURNING s.id`,
    },
    setClaims: {
      name: 'jwt_session_set_claims',
      text: `WITH changed AS (
          UPDATE ${tables.session} s
          SET claims = $2, token_version = s.token_version + 1, claims_changed_at = clock_timestamp()
          WHERE s.id = $1 AND ${LIVE} RETURNING s.id, s.user_id, s.token_version AS version
        )
        SELECT version, user_id, ${notify(tables, "json_build_object('claims', json_build_array(json_build_object('id', id, 'version', version)))")} AS announced
        FROM changed`,
    },
  } satisfies Record<string, Statement>;
}

/** The insert of a session, after a CTE `ended (id, reason)` that ends others. */
function create(tables: SessionTables, { ended, condition }: { ended: string; condition: string }): string {
  const expires = `LEAST(now() + ${interval('$9')}, now() + ${interval('$10')})`;
  return `WITH ${ended}, ${announceSessions(tables)}, s AS (
      INSERT INTO ${tables.session} (id, user_id, generation, token_hash, leeway_until, access_auth_uuid,
        refresh_auth_uuid, claims, data, label, user_agent, ip, created_at, authenticated_at, last_seen_at, expires_at,
        absolute_expires_at)
      SELECT $1, $2, 0, $3, now(), ${authUuid(tables, '$2', 'access')}, ${authUuid(tables, '$2', 'refresh')},
        $4::jsonb, $5::jsonb, $6, $7, $8, now(), now(), now(), ${expires}, now() + ${interval('$10')}
      WHERE ${condition}
      RETURNING *
    )
    SELECT ${sessionColumns(tables)}, (SELECT count(sent) FROM announced) AS notifications,
      (SELECT json_agg(ended) FROM ended) AS ended
    FROM s`;
}

/** Rows are locked in id order: two statements that end several sessions of a user would else deadlock. */
function end(tables: SessionTables, name: string, selected: string): Statement {
  return {
    name: `jwt_session_${name}`,
    text: `WITH target AS (
        SELECT s.id FROM ${tables.session} s WHERE ${selected} AND ${LIVE} ORDER BY s.id FOR NO KEY UPDATE
      ), ended AS (
        UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = $2
        FROM target WHERE s.id = target.id AND ${LIVE} RETURNING s.id, s.revoked_reason AS reason
      ), ${announceSessions(tables)}
      SELECT id, (SELECT count(sent) FROM announced) AS notifications FROM ended`,
  };
}
