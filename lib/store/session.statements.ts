import { statement } from '../common/statement.js';
import type { SessionData } from '../session.types.js';
import { BOUND_BY, DEVICE_COLUMNS, type DeviceRow } from './device-columns.js';
import { type DeviceValues, forgetDevices } from './known-device.statements.js';
import type { CreatedRow, StoredSession } from './session.store.js';
import {
  accessVersion,
  IN_BUCKET,
  IS_TIMELY,
  LIVE,
  type ArraysOf,
  LIVE_OF_ID,
  mintColumns,
  type NoLimit,
  notify,
  OF_SESSION,
  OF_USER,
  sessionColumns,
  TIMED_COLUMNS,
  type TimedRow,
  timedRequest,
  UNLIMITED,
  type WithDeadline,
} from './sql-fragments.js';
import {
  ASKED,
  createAfter,
  insert,
  type MintedRow,
  type NewSessionSettings,
  type NewSessionValues,
  RENEWED,
  VALUES,
} from './session-insert.js';
import type { SessionTables } from './tables.js';

/** A replaced session of another user may be on another machine, so that a statement of its own ends it there. */
function inBucketOfUser({ distributed }: SessionTables, row: string): string {
  return distributed ? IN_BUCKET : `s.bucket = ${row}.bucket`;
}

export function buildSessionStatements(tables: SessionTables, settings: NewSessionSettings) {
  const replaced = tables.distributed ? '' : 'SELECT :replaces::uuid AS id, :replacedBucket::smallint AS bucket UNION ';
  const replace = (knowsDevice: boolean) =>
    createAfter(
      tables,
      settings,
      `revoked AS (
          UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = 'replaced'
          WHERE s.id = :replaces::uuid AND s.bucket = :replacedBucket::smallint AND ${IS_TIMELY} AND ${LIVE_OF_ID}
          RETURNING s.id, s.revoked_reason AS reason
        )`,
      `WHERE ${IS_TIMELY}`,
      VALUES,
      knowsDevice,
    );
  const createWithin = (knowsDevice: boolean) =>
    createAfter(
      tables,
      settings,
      `others AS (
          SELECT s.id, s.bucket FROM ${tables.session} s
          WHERE ${OF_USER} AND s.id IS DISTINCT FROM :replaces::uuid AND s.actor_session_id IS NULL AND ${LIVE}
          ORDER BY s.created_at DESC, s.id DESC OFFSET :most::integer - 1
        ), chosen AS (
          ${replaced}SELECT id, bucket FROM others ORDER BY id ${UNLIMITED}
        ), target AS (
          SELECT chosen.* FROM chosen CROSS JOIN LATERAL (
            SELECT FROM ${tables.session} s
            WHERE s.id = chosen.id AND ${inBucketOfUser(tables, 'chosen')} AND ${LIVE_OF_ID} FOR NO KEY UPDATE
          ) AS locked
          WHERE ${IS_TIMELY} AND (:evict OR NOT EXISTS (SELECT 1 FROM others))
        ), revoked AS (
          UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()),
            revoked_reason = CASE WHEN s.id = :replaces::uuid THEN 'replaced' ELSE 'evicted' END
          FROM target WHERE s.id = target.id AND ${inBucketOfUser(tables, 'target')}
          RETURNING s.id, s.revoked_reason AS reason
        )`,
      `WHERE ${IS_TIMELY} AND (:evict OR NOT EXISTS (SELECT 1 FROM others))`,
      VALUES,
      knowsDevice,
    );
  return {
    create: statement<NewSessionValues & { refreshAuthUuid?: string | null }, MintedRow>(
      'jwt_session_create',
      insert(tables, settings, VALUES, mintColumns),
    ),
    // The same for several users at once.
    createSeveral: statement<ArraysOf<NewSessionValues>, MintedRow>(
      'jwt_session_create_several',
      insert(
        tables,
        settings,
        ASKED,
        mintColumns,
        `FROM unnest(:id::uuid[], :bucket::smallint[], :userId::text[], :tokenHash::bytea[], :claims::jsonb[], :data::jsonb[], :label::text[],
            :userAgent::text[], :ip::text[], :keyThumbprint::bytea[], :remember::boolean[], :idleLifetime::float8[], :absoluteLifetime::float8[])
          AS asked (id, bucket, user_id, token_hash, claims, data, label, user_agent, ip, key_thumbprint, remember, idle_lifetime, absolute_lifetime)`,
      ),
    ),
    // Ends the session that came with the login.
    replace: statement<NewSessionValues & ReplacingValues, CreatedRow>('jwt_session_replace', replace(false)),
    // The same, or without such a session, where the device is recognised.
    createOnDevice: statement<NewSessionValues & ReplacingValues & DeviceValues, CreatedRow>(
      'jwt_session_create_on_device',
      replace(true),
    ),
    // Inserts a session in the place of a live one of the user, with the claims, data, label and lifetimes that it has at
    // that moment; only if claims and invalidations are those of the given versions, where these are given.
    reauthenticate: statement<
      Renewed<NewSessionValues> & SeenVersions & WithDeadline & { replaces: string },
      CreatedRow
    >(
      'jwt_session_reauthenticate',
      createAfter(
        tables,
        settings,
        `revoked AS (
          UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = 'replaced'
          WHERE s.id = :replaces::uuid AND ${OF_USER} AND ${IS_TIMELY} AND ${LIVE_OF_ID}
            AND s.actor_session_id IS NULL AND s.token_version = COALESCE(:tokenVersion::integer, s.token_version)
            AND (:accessVersion::bigint IS NULL OR ${accessVersion(tables)} = :accessVersion::bigint)
          RETURNING s.id, s.revoked_reason AS reason, s.claims, s.data, s.label, s.remember,
            s.idle_lifetime, s.absolute_expires_at - s.created_at AS absolute_lifetime
        )`,
        'FROM revoked',
        RENEWED,
      ),
    ),
    // Evicts the oldest of the user's own live sessions beyond the limit, or inserts nothing where none may be evicted.
    createWithin: statement<NewSessionValues & LimitValues, CreatedRow>(
      'jwt_session_create_within',
      createWithin(false),
    ),
    createWithinOnDevice: statement<NewSessionValues & LimitValues & DeviceValues, CreatedRow>(
      'jwt_session_create_within_on_device',
      createWithin(true),
    ),
    // The lock is on the user's name: no table has a row for every user. The limit ends a transaction whose COMMIT does
    // not arrive: it would be carried out when its client has long given up.
    lockUser: statement<{ userId: string; idleLimit: string | undefined }>(
      'jwt_session_lock_user',
      `SELECT pg_advisory_xact_lock(hashtextextended('${tables.session.replaceAll("'", "''")}' || :userId, 0)),
        set_config('${IDLE_LIMIT}', COALESCE(:idleLimit::text, current_setting('${IDLE_LIMIT}')), true)
        ${tables.distributed ? `FROM (SELECT count(*) FROM ${tables.userAuth} a WHERE a.user_id = :userId AND a.bucket = :bucket) AS machine` : ''}`,
    ),
    // Where the tables are distributed: what `create` reads otherwise, and what the lock does on the machine of the lock.
    readAuth: statement<{ userId: string }, { refresh_auth_uuid: string | null; access_version: string }>(
      'jwt_session_read_auth',
      `SELECT max(a.uuid::text) FILTER (WHERE a.token_type = 'refresh') AS refresh_auth_uuid,
          COALESCE(max(a.version) FILTER (WHERE a.token_type = 'access'), 0)::text AS access_version
        FROM ${tables.userAuth} a WHERE a.user_id = :userId AND a.bucket = :bucket`,
    ),
    limitIdle: statement<{ idleLimit: string }>(
      'jwt_session_limit_idle',
      `SELECT set_config('${IDLE_LIMIT}', :idleLimit::text, true)`,
    ),
    get: statement<{ sessionId: string }, StoredSession>(
      'jwt_session_get',
      `SELECT ${sessionColumns(tables)}, s.data, s.label, ${BOUND_BY} AS bound_by FROM ${tables.session} s WHERE ${OF_SESSION} AND ${LIVE_OF_ID}`,
    ),
    list: statement<{ userId: string; impersonations: boolean }, DeviceRow>(
      'jwt_session_list',
      `SELECT ${DEVICE_COLUMNS}
        FROM ${tables.session} s WHERE ${OF_USER} AND ${LIVE}
          AND (:impersonations OR s.actor_session_id IS NULL)
        ORDER BY s.last_seen_at DESC, s.id DESC`,
    ),
    getData: statement<{ sessionId: string }, { data: SessionData | null }>(
      'jwt_session_get_data',
      `SELECT s.data FROM ${tables.session} s WHERE ${OF_SESSION} AND ${LIVE_OF_ID}`,
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
    discard: statement<{ sessionId: string; userId: string }>(
      'jwt_session_discard',
      `WITH forgotten AS (${forgetDevices(tables, 'd.session_id = :sessionId')})
        DELETE FROM ${tables.session} s WHERE ${OF_SESSION}`,
    ),
    setClaims: statement<ChangeValues & { claims: string }, ChangedRow>(
      'jwt_session_set_claims',
      change(
        tables,
        'claims = :claims, token_version = s.token_version + 1, claims_changed_at = (SELECT clock_timestamp())',
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

interface ReplacingValues extends WithDeadline {
  readonly replaces: string | undefined;
  readonly replacedBucket: number | undefined;
}

interface LimitValues extends ReplacingValues, NoLimit {
  readonly most: number;
  readonly evict: boolean;
}

interface SeenVersions {
  readonly tokenVersion: number | undefined;
  readonly accessVersion: string | undefined;
}

type Renewed<T extends { claims: string }> = Omit<T, 'claims'> & { readonly claims: string | undefined };

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
      WHERE ${OF_SESSION} AND ${condition} AND ${LIVE_OF_ID} FOR NO KEY UPDATE
    ), ${timedRequest('target')}, changed AS (
      UPDATE ${tables.session} s SET ${set}
      FROM target WHERE s.id = target.id AND ${IN_BUCKET} AND ${IS_TIMELY}
      RETURNING s.id, s.token_version AS version
    )
    SELECT id, version, ${announced} AS announced, ${TIMED_COLUMNS} FROM request LEFT JOIN changed ON true`;
}
