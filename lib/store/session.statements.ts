import { interval, milliseconds, type Statement } from './database.js';
import { announceSessions, authUuid, LIVE, LIVE_OF_ID, notify, sessionColumns } from './sql-fragments.js';
import type { SessionTables } from './tables.js';

export function buildSessionStatements(tables: SessionTables) {
  return {
    create: {
      name: 'jwt_session_create',
      text: insert(tables, VALUES, { idle: '$9', absolute: '$10' }),
    },
    // The same for several users at once.
    createSeveral: {
      name: 'jwt_session_create_several',
      text: insert(tables, ASKED, {
        idle: '$9',
        absolute: '$10',
        source: `FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::jsonb[], $5::jsonb[], $6::text[], $7::text[], $8::text[])
          AS asked (id, user_id, token_hash, claims, data, label, user_agent, ip)`,
      }),
    },
    // Ends the session that came with the login.
    replace: {
      name: 'jwt_session_replace',
      text: createAfter(tables, {
        ended: `ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = 'replaced'
          WHERE s.id = $11::uuid AND ${LIVE_OF_ID} RETURNING s.id, s.revoked_reason AS reason
        )`,
        condition: 'true',
      }),
    },
    // Evicts the oldest of the user's live sessions beyond the limit, or inserts nothing where none may be evicted.
    createWithin: {
      name: 'jwt_session_create_within',
      text: createAfter(tables, {
        ended: `others AS (
          SELECT s.id FROM ${tables.session} s
          WHERE s.user_id = $2 AND s.id IS DISTINCT FROM $11::uuid AND ${LIVE}
          ORDER BY s.created_at DESC, s.id DESC OFFSET $12::integer - 1
        ), target AS (
          SELECT s.id FROM ${tables.session} s
          WHERE (s.id = $11::uuid OR s.id IN (SELECT id FROM others))
            AND ($13 OR NOT EXISTS (SELECT 1 FROM others)) AND ${LIVE_OF_ID}
          ORDER BY s.id FOR NO KEY UPDATE
        ), ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(),
            revoked_reason = CASE WHEN s.id = $11::uuid THEN 'replaced' ELSE 'evicted' END
          FROM target WHERE s.id = target.id AND ${LIVE_OF_ID} RETURNING s.id, s.revoked_reason AS reason
        )`,
        condition: '$13 OR NOT EXISTS (SELECT 1 FROM others)',
      }),
    },
    // No table of ours has a row for every user, so that the lock is on the user's name.
    lockUser: {
      name: 'jwt_session_lock_user',
      text: `SELECT pg_advisory_xact_lock(hashtextextended('${tables.session}' || $1, 0))`,
    },
    endOne: end(tables, 'end_one', `s.id = $1 AND ($3::text IS NULL OR s.user_id = $3) AND ${LIVE_OF_ID}`),
    endOfUser: end(tables, 'end_of_user', `s.user_id = $1 AND s.id IS DISTINCT FROM $3::uuid AND ${LIVE}`),
    get: {
      name: 'jwt_session_get',
      text: `SELECT ${sessionColumns(tables)}, s.data, s.label FROM ${tables.session} s WHERE s.id = $1 AND ${LIVE_OF_ID}`,
    },
    list: {
      name: 'jwt_session_list',
      text: `SELECT s.id, s.label, s.user_agent, s.ip, ${milliseconds('s.created_at')} AS created_ms,
          ${milliseconds('s.last_seen_at')} AS last_seen_ms
        FROM ${tables.session} s WHERE s.user_id = $1 AND ${LIVE} ORDER BY s.last_seen_at DESC, s.id DESC`,
    },
    getData: {
      name: 'jwt_session_get_data',
      text: `SELECT s.data FROM ${tables.session} s WHERE s.id = $1 AND ${LIVE_OF_ID}`,
    },
    setData: {
      name: 'jwt_session_set_data',
      text: `UPDATE ${tables.session} s SET data = $2 WHERE s.id = $1 AND ${LIVE_OF_ID} RETURNING s.id`,
    },
    // The claims hook's answer at refresh: the tokens issued with it are the first that have it, so no version is raised.
    storeHookClaims: {
      name: 'jwt_session_store_hook_claims',
      text: `UPDATE ${tables.session} s SET claims = $2 WHERE s.id = $1 AND ${LIVE_OF_ID} RETURNING s.id`,
    },
    setClaims: {
      name: 'jwt_session_set_claims',
      text: `WITH changed AS (
          UPDATE ${tables.session} s
          SET claims = $2, token_version = s.token_version + 1, claims_changed_at = clock_timestamp()
          WHERE s.id = $1 AND ${LIVE_OF_ID} RETURNING s.id, s.user_id, s.token_version AS version
        )
        SELECT version, user_id, ${notify(tables, "json_build_object('claims', json_build_array(json_build_object('id', id, 'version', version)))")} AS announced
        FROM changed`,
    },
  } satisfies Record<string, Statement>;
}

/** Where a statement has what makes a session. */
interface NewSessionExpressions {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: string;
  readonly claims: string;
  readonly data: string;
  readonly label: string;
  readonly userAgent: string;
  readonly ip: string;
}

const VALUES: NewSessionExpressions = {
  id: '$1::uuid',
  userId: '$2::text',
  tokenHash: '$3::bytea',
  claims: '$4::jsonb',
  data: '$5::jsonb',
  label: '$6::text',
  userAgent: '$7::text',
  ip: '$8::text',
};

const ASKED: NewSessionExpressions = {
  id: 'asked.id',
  userId: 'asked.user_id',
  tokenHash: 'asked.token_hash',
  claims: 'asked.claims',
  data: 'asked.data',
  label: 'asked.label',
  userAgent: 'asked.user_agent',
  ip: 'asked.ip',
};

/** The insert of sessions as `s`: one, or one for each row of `source`. */
function insert(
  tables: SessionTables,
  from: NewSessionExpressions,
  { idle, absolute, source = '' }: { idle: string; absolute: string; source?: string },
): string {
  const latest = `now() + ${interval(absolute)}`;
  return `INSERT INTO ${tables.session} AS s (id, user_id, generation, token_hash, leeway_until, access_auth_uuid,
      refresh_auth_uuid, claims, data, label, user_agent, ip, created_at, authenticated_at, last_seen_at, expires_at,
      absolute_expires_at)
    SELECT ${from.id}, ${from.userId}, 0, ${from.tokenHash}, now(), ${authUuid(tables, from.userId, 'access')},
      ${authUuid(tables, from.userId, 'refresh')}, ${from.claims}, ${from.data}, ${from.label}, ${from.userAgent},
      ${from.ip}, now(), now(), now(), LEAST(now() + ${interval(idle)}, ${latest}), ${latest}
    ${source}
    RETURNING ${sessionColumns(tables)}`;
}

/** The insert of a session, after a CTE `ended (id, reason)` that ends others. */
function createAfter(tables: SessionTables, { ended, condition }: { ended: string; condition: string }): string {
  return `WITH ${ended}, ${announceSessions(tables)}, created AS (
      ${insert(tables, VALUES, { idle: '$9', absolute: '$10', source: `WHERE ${condition}` })}
    )
    SELECT created.*, (SELECT count(sent) FROM announced) AS notifications,
      (SELECT json_agg(ended) FROM ended) AS ended
    FROM created`;
}

/** Rows are locked in id order: two statements that end several sessions of a user would else deadlock. */
function end(tables: SessionTables, name: string, selected: string): Statement {
  return {
    name: `jwt_session_${name}`,
    text: `WITH target AS (
        SELECT s.id FROM ${tables.session} s WHERE ${selected} ORDER BY s.id FOR NO KEY UPDATE
      ), ended AS (
        UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = $2
        FROM target WHERE s.id = target.id AND ${LIVE_OF_ID} RETURNING s.id, s.revoked_reason AS reason
      ), ${announceSessions(tables)}
      SELECT id, (SELECT count(sent) FROM announced) AS notifications FROM ended`,
  };
}
