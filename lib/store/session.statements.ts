import { interval } from '../common/sql.js';
import { statement } from '../common/statement.js';
import type { SessionData } from '../session.types.js';
import { BOUND_BY, DEVICE_COLUMNS, type DeviceRow } from './device-columns.js';
import type { CreatedRow, StoredSession } from './session.store.js';
import {
  accessVersion,
  announceSessions,
  IS_TIMELY,
  LIVE,
  type ArraysOf,
  LIVE_OF_ID,
  mintColumns,
  type NoLimit,
  notify,
  refreshAuthUuid,
  type SessionRow,
  sessionColumns,
  TIMED_COLUMNS,
  type TimedRow,
  timedRequest,
  UNLIMITED,
  type WithDeadline,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';
import { newUserAgent, type UserAgentSettings } from './user-agent.js';

export function buildSessionStatements(tables: SessionTables, settings: NewSessionSettings) {
  return {
    create: statement<NewSessionValues, MintedRow>('jwt_session_create', insert(tables, settings, VALUES, mintColumns)),
    // The same for several users at once.
    createSeveral: statement<ArraysOf<NewSessionValues>, MintedRow>(
      'jwt_session_create_several',
      insert(
        tables,
        settings,
        ASKED,
        mintColumns,
        `FROM unnest(:id::uuid[], :userId::text[], :tokenHash::bytea[], :claims::jsonb[], :data::jsonb[], :label::text[],
            :userAgent::text[], :ip::text[], :keyThumbprint::bytea[])
          AS asked (id, user_id, token_hash, claims, data, label, user_agent, ip, key_thumbprint)`,
      ),
    ),
    // Ends the session that came with the login.
    replace: statement<NewSessionValues & WithDeadline & { replaces: string }, CreatedRow>(
      'jwt_session_replace',
      createAfter(
        tables,
        settings,
        `ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = 'replaced'
          WHERE s.id = :replaces::uuid AND ${IS_TIMELY} AND ${LIVE_OF_ID} RETURNING s.id, s.revoked_reason AS reason
        )`,
        `WHERE ${IS_TIMELY}`,
      ),
    ),
    // Inserts a session in the place of a live one of the user, with the claims, data and label that it has at that
    // moment; only if claims and invalidations are those of the given versions, where these are given.
    reauthenticate: statement<
      Renewed<NewSessionValues> & SeenVersions & WithDeadline & { replaces: string },
      CreatedRow
    >(
      'jwt_session_reauthenticate',
      createAfter(
        tables,
        settings,
        `ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = 'replaced'
          WHERE s.id = :replaces::uuid AND s.user_id = :userId AND ${IS_TIMELY} AND ${LIVE_OF_ID}
            AND s.token_version = COALESCE(:tokenVersion::integer, s.token_version)
            AND (:accessVersion::bigint IS NULL OR ${accessVersion(tables)} = :accessVersion::bigint)
          RETURNING s.id, s.revoked_reason AS reason, s.claims, s.data, s.label
        )`,
        'FROM ended',
        RENEWED,
      ),
    ),
    // Evicts the oldest of the user's live sessions beyond the limit, or inserts nothing where none may be evicted.
    createWithin: statement<
      NewSessionValues & NoLimit & WithDeadline & { replaces: string | undefined; most: number; evict: boolean },
      CreatedRow
    >(
      'jwt_session_create_within',
      createAfter(
        tables,
        settings,
        `others AS (
          SELECT s.id FROM ${tables.session} s
          WHERE s.user_id = :userId AND s.id IS DISTINCT FROM :replaces::uuid AND ${LIVE}
          ORDER BY s.created_at DESC, s.id DESC OFFSET :most::integer - 1
        ), chosen AS (
          SELECT :replaces::uuid AS id UNION SELECT id FROM others ORDER BY id ${UNLIMITED}
        ), target AS (
          SELECT chosen.id FROM chosen CROSS JOIN LATERAL (
            SELECT FROM ${tables.session} s WHERE s.id = chosen.id AND ${LIVE_OF_ID} FOR NO KEY UPDATE
          ) AS locked
          WHERE ${IS_TIMELY} AND (:evict OR NOT EXISTS (SELECT 1 FROM others))
        ), ended AS (
          UPDATE ${tables.session} s SET revoked_at = clock_timestamp(),
            revoked_reason = CASE WHEN s.id = :replaces::uuid THEN 'replaced' ELSE 'evicted' END
          FROM target WHERE s.id = target.id RETURNING s.id, s.revoked_reason AS reason
        )`,
        `WHERE ${IS_TIMELY} AND (:evict OR NOT EXISTS (SELECT 1 FROM others))`,
      ),
    ),
    // The lock is on the user's name: no table has a row for every user. The limit ends a transaction whose COMMIT does
    // not arrive: it would be carried out when its client has long given up.
    lockUser: statement<{ userId: string; idleLimit: string | undefined }>(
      'jwt_session_lock_user',
      `SELECT pg_advisory_xact_lock(hashtextextended('${tables.session.replaceAll("'", "''")}' || :userId, 0)),
        set_config('${IDLE_LIMIT}', COALESCE(:idleLimit::text, current_setting('${IDLE_LIMIT}')), true)`,
    ),
    get: statement<{ sessionId: string }, StoredSession>(
      'jwt_session_get',
      `SELECT ${sessionColumns(tables)}, s.data, s.label, ${BOUND_BY} AS bound_by FROM ${tables.session} s WHERE s.id = :sessionId AND ${LIVE_OF_ID}`,
    ),
    list: statement<{ userId: string }, DeviceRow>(
      'jwt_session_list',
      `SELECT ${DEVICE_COLUMNS}
        FROM ${tables.session} s WHERE s.user_id = :userId AND ${LIVE} ORDER BY s.last_seen_at DESC, s.id DESC`,
    ),
    getData: statement<{ sessionId: string }, { data: SessionData | null }>(
      'jwt_session_get_data',
      `SELECT s.data FROM ${tables.session} s WHERE s.id = :sessionId AND ${LIVE_OF_ID}`,
    ),
    setData: statement<ChangeValues & { data: string }, ChangedRow>(
      'jwt_session_set_data',
      change(tables, 'data = :data'),
    ),
    // The tokens issued with the hook's claims are the first that have them, so no version is raised.
    storeHookClaims: statement<ChangeValues & { tokenVersion: number; claims: string }, ChangedRow>(
      'jwt_session_store_hook_claims',
      change(tables, 'claims = :claims', 's.token_version = :tokenVersion'),
    ),
    // No client has a token of the session yet.
    discard: statement<{ sessionId: string }>(
      'jwt_session_discard',
      `DELETE FROM ${tables.session} s WHERE s.id = :sessionId`,
    ),
    setClaims: statement<ChangeValues & { claims: string }, ChangedRow>(
      'jwt_session_set_claims',
      change(
        tables,
        'claims = :claims, token_version = s.token_version + 1, claims_changed_at = clock_timestamp()',
        'true',
        notify(
          tables,
          "json_build_object('claims', json_build_array(json_build_object('id', id, 'version', version)))",
          'id IS NOT NULL',
        ),
      ),
    ),
  };
}

/** What the options say of every session: constants of the statements. Durations are in milliseconds, null is no limit. */
export interface NewSessionSettings {
  readonly idleLifetime: number;
  readonly absoluteLifetime: number | null;
  readonly userAgent: UserAgentSettings;
}

/** What the database alone knows of a new session. */
export type MintedRow = Omit<SessionRow, 'user_id' | 'claims' | 'token_version'>;

interface NewSessionValues {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly claims: string;
  readonly data: string | undefined;
  readonly label: string | undefined;
  readonly userAgent: string | undefined;
  readonly ip: string | undefined;
  readonly keyThumbprint: Buffer | undefined;
}

interface SeenVersions {
  readonly tokenVersion: number | undefined;
  readonly accessVersion: string | undefined;
}

type Renewed<T extends { claims: string }> = Omit<T, 'claims'> & { readonly claims: string | undefined };

type Expressions<T> = { readonly [Key in keyof T]: string };

const VALUES: Expressions<NewSessionValues> = {
  id: ':id::uuid',
  userId: ':userId::text',
  tokenHash: ':tokenHash::bytea',
  claims: ':claims::jsonb',
  data: ':data::jsonb',
  label: ':label::text',
  userAgent: ':userAgent::text',
  ip: ':ip::text',
  keyThumbprint: ':keyThumbprint::bytea',
};

const RENEWED: Expressions<NewSessionValues> = {
  ...VALUES,
  claims: 'COALESCE(:claims::jsonb, ended.claims)',
  data: 'COALESCE(:data::jsonb, ended.data)',
  label: 'COALESCE(:label::text, ended.label)',
};

const ASKED: Expressions<NewSessionValues> = {
  id: 'asked.id',
  userId: 'asked.user_id',
  tokenHash: 'asked.token_hash',
  claims: 'asked.claims',
  data: 'asked.data',
  label: 'asked.label',
  userAgent: 'asked.user_agent',
  ip: 'asked.ip',
  keyThumbprint: 'asked.key_thumbprint',
};

/** The insert of sessions as `s`: one, or one for each row of `source`. */
function insert(
  tables: SessionTables,
  { idleLifetime, absoluteLifetime, userAgent }: NewSessionSettings,
  from: Expressions<NewSessionValues>,
  columns: typeof sessionColumns,
  source = '',
): string {
  const agent = newUserAgent(userAgent, from.userAgent);
  const latest = `now() + ${interval(String(absoluteLifetime))}`;
  return `INSERT INTO ${tables.session} AS s (id, user_id, generation, token_hash, leeway_until, refresh_auth_uuid,
      claims, data, label, ip, key_thumbprint, key_kind, created_at, last_seen_at, expires_at,
      ${['absolute_expires_at', ...agent.map(({ column }) => column)].join(', ')})
    SELECT ${from.id}, ${from.userId}, 0, ${from.tokenHash}, now(),
      ${refreshAuthUuid(tables, from.userId)}, ${from.claims}, ${from.data}, ${from.label}, ${from.ip},
      ${from.keyThumbprint}, CASE WHEN ${from.keyThumbprint} IS NOT NULL THEN 'dpop' END,
      now(), now(), LEAST(now() + ${interval(String(idleLifetime))}, ${latest}),
      ${[latest, ...agent.map(({ value }) => value)].join(', ')}
    ${source}
    RETURNING ${columns(tables)}`;
}

const IDLE_LIMIT = 'idle_in_transaction_session_timeout';

interface ChangeValues extends WithDeadline {
  readonly sessionId: string;
}

/** The id and the version of its claims are null where no such live session was found. */
interface ChangedRow extends TimedRow {
  readonly id: string | null;
  readonly version: number | null;
}

/**
 * The change of a live session. A statement that waited for the row's lock past its deadline would otherwise overwrite
 * what came later.
 */
function change(tables: SessionTables, set: string, condition = 'true', announced = 'NULL'): string {
  return `WITH target AS (
      SELECT s.id FROM ${tables.session} s
      WHERE s.id = :sessionId AND ${condition} AND ${LIVE_OF_ID} FOR NO KEY UPDATE
    ), ${timedRequest('target')}, changed AS (
      UPDATE ${tables.session} s SET ${set}
      FROM target WHERE s.id = target.id AND ${IS_TIMELY} RETURNING s.id, s.token_version AS version
    )
    SELECT id, version, ${announced} AS announced, ${TIMED_COLUMNS} FROM request LEFT JOIN changed ON true`;
}

/**
 * The insert of a session, after CTEs that end others; the last of them is `ended (id, reason)`.
 *
 * @param source clauses that say whether a session is inserted
 */
function createAfter(
  tables: SessionTables,
  settings: NewSessionSettings,
  ended: string,
  source = '',
  from = VALUES,
): string {
  return `WITH ${timedRequest()}, ${ended}, ${announceSessions(tables)}, created AS (
      ${insert(tables, settings, from, sessionColumns, source)}
    )
    SELECT created.*, (SELECT count(sent) FROM announced) AS notifications,
      (SELECT json_agg(json_build_object('id', id, 'reason', reason)) FROM ended) AS ended,
      ${TIMED_COLUMNS}
    FROM request LEFT JOIN created ON true`;
}
