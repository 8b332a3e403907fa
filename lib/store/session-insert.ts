import { interval, milliseconds } from '../common/sql.js';
import { bucketOfSession } from '../rules/bucket.js';
import type { SessionClaims } from '../session.types.js';
import { DEVICE_FOUND, knowDevice } from './known-device.statements.js';
import type { NewSession } from './session.store.js';
import {
  announceSessions,
  refreshAuthUuid,
  sessionColumns,
  type SessionRow,
  timeColumns,
  TIMED_COLUMNS,
  timedRequest,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';
import { newUserAgent, type UserAgentSettings } from './user-agent.js';

/** What the options say of every session: constants of the statements. Durations are in milliseconds, null is no limit. */
export interface NewSessionSettings {
  readonly idleLifetime: number;
  readonly absoluteLifetime: number | null;
  readonly userAgent: UserAgentSettings;
}

/** What the database alone knows of a new session. */
export type MintedRow = Omit<SessionRow, 'user_id' | 'claims' | 'token_version' | 'remember'>;

export interface NewSessionValues {
  readonly id: string;
  readonly bucket: number;
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly claims: string;
  readonly data: string | undefined;
  readonly label: string | undefined;
  readonly userAgent: string | undefined;
  readonly ip: string | undefined;
  readonly keyThumbprint: Buffer | undefined;
  readonly remember: boolean | undefined;
  /** Milliseconds. */
  readonly idleLifetime: number | undefined;
  readonly absoluteLifetime: number | undefined;
}

/** An SQL expression for each member. */
type Expressions<T> = { readonly [Key in keyof T]: string };

export const VALUES: Expressions<NewSessionValues> = {
  id: ':id::uuid',
  bucket: ':bucket::smallint',
  userId: ':userId::text',
  tokenHash: ':tokenHash::bytea',
  claims: ':claims::jsonb',
  data: ':data::jsonb',
  label: ':label::text',
  userAgent: ':userAgent::text',
  ip: ':ip::text',
  keyThumbprint: ':keyThumbprint::bytea',
  remember: ':remember::boolean',
  idleLifetime: ':idleLifetime::float8',
  absoluteLifetime: ':absoluteLifetime::float8',
};

export const RENEWED: Expressions<NewSessionValues> = {
  ...VALUES,
  claims: 'COALESCE(:claims::jsonb, revoked.claims)',
  data: 'COALESCE(:data::jsonb, revoked.data)',
  label: 'COALESCE(:label::text, revoked.label)',
  remember: 'COALESCE(:remember::boolean, revoked.remember)',
  idleLifetime: `COALESCE(:idleLifetime::float8, ${milliseconds('revoked.idle_lifetime')})`,
  absoluteLifetime: `COALESCE(:absoluteLifetime::float8, ${milliseconds('revoked.absolute_lifetime')})`,
};

/** The values of `RENEWED` that may be those of the former session. */
const FORMER = `(SELECT json_build_object('claims', claims::text, 'data', data::text, 'label', label, 'remember', remember,
  'idleLifetime', ${milliseconds('revoked.idle_lifetime')}, 'absoluteLifetime', ${milliseconds('revoked.absolute_lifetime')})
  FROM revoked)`;

export const ASKED: Expressions<NewSessionValues> = {
  id: 'asked.id',
  bucket: 'asked.bucket',
  userId: 'asked.user_id',
  tokenHash: 'asked.token_hash',
  claims: 'asked.claims',
  data: 'asked.data',
  label: 'asked.label',
  userAgent: 'asked.user_agent',
  ip: 'asked.ip',
  keyThumbprint: 'asked.key_thumbprint',
  remember: 'asked.remember',
  idleLifetime: 'asked.idle_lifetime',
  absoluteLifetime: 'asked.absolute_lifetime',
};

/** Where the insert of an impersonation has its actor, the time of the actor's login, and the latest end. */
interface ActorExpressions {
  readonly sessionId: string;
  readonly userId: string;
  readonly reason: string;
  readonly authenticatedAt: string;
  readonly latest: string;
}

/**
 * The insert of sessions as `s`: one, or one for each row of `source`. An engine that distributes the tables inserts on one
 * machine only what comes from VALUES, and there takes no subqueries: the UUID is read before.
 */
export function insert(
  tables: SessionTables,
  { idleLifetime, absoluteLifetime, userAgent }: NewSessionSettings,
  from: Expressions<NewSessionValues>,
  columns: (tables: SessionTables) => string,
  source = '',
  actor?: ActorExpressions,
): string {
  // LEAST leaves out what is NULL.
  const latest = `LEAST(now() + ${interval(String(absoluteLifetime))}, now() + ${interval(from.absoluteLifetime)}${actor ? `, ${actor.latest}` : ''})`;
  const others = [
    { column: 'absolute_expires_at', value: latest },
    ...newUserAgent(userAgent, from.userAgent),
    ...(actor
      ? [
          { column: 'actor_session_id', value: actor.sessionId },
          { column: 'actor_user_id', value: actor.userId },
          { column: 'actor_reason', value: actor.reason },
        ]
      : []),
  ];
  const idle = interval(from.idleLifetime);
  const isOnOneMachine = tables.distributed && source === '';
  const authUuid = isOnOneMachine ? ':refreshAuthUuid::uuid' : refreshAuthUuid(tables, from.userId, from.bucket);
  return `INSERT INTO ${tables.session} AS s (id, bucket, user_id, generation, token_hash, leeway_until, refresh_auth_uuid,
      claims, data, label, ip, key_thumbprint, key_kind, remember, idle_lifetime, created_at, last_seen_at, expires_at,
      ${others.map(({ column }) => column).join(', ')})
    ${isOnOneMachine ? 'VALUES (' : 'SELECT '}${from.id}, ${from.bucket}, ${from.userId}, 0, ${from.tokenHash}, now(),
      ${authUuid}, ${from.claims}, ${from.data}, ${from.label}, ${from.ip},
      ${from.keyThumbprint}, CASE WHEN ${from.keyThumbprint} IS NOT NULL THEN 'dpop' END,
      ${from.remember}, ${idle}, ${actor?.authenticatedAt ?? 'now()'}, now(), LEAST(now() + ${interval(String(idleLifetime))}, now() + ${idle}, ${latest}),
      ${others.map(({ value }) => value).join(', ')}
    ${isOnOneMachine ? ')' : source}
    RETURNING ${isOnOneMachine ? `s.id, ${timeColumns(tables, 's.last_seen_at')}` : columns(tables)}`;
}

/**
 * The insert of a session, after CTEs that end others; the last of them is `revoked (id, reason)`.
 *
 * Where the tables are distributed the statement tells whether one may be inserted, and another one inserts it.
 *
 * @param source clauses that say whether a session is inserted
 * @param knowsDevice whether the device of the login is looked for and kept
 */
export function createAfter(
  tables: SessionTables,
  settings: NewSessionSettings,
  revoked: string,
  source = '',
  from = VALUES,
  knowsDevice = false,
): string {
  if (tables.distributed) {
    return `WITH ${timedRequest()}, ${revoked}, ${announceSessions(tables)}
      SELECT COALESCE((SELECT true ${source}), false) AS allowed,
        (SELECT json_agg(json_build_object('id', id, 'reason', reason)) FROM ended) AS ended,
        ${from === RENEWED ? FORMER : 'NULL::json'} AS former, ${TIMED_COLUMNS}
      FROM request`;
  }
  const [device, found] = knowsDevice ? [`, ${knowDevice(tables)}`, `${DEVICE_FOUND},`] : ['', ''];
  return `WITH ${timedRequest()}, ${revoked}, ${announceSessions(tables)}, created AS (
      ${insert(tables, settings, from, sessionColumns, source)}
    )${device}
    SELECT created.*, (SELECT count(sent) FROM announced) AS notifications,
      (SELECT json_agg(json_build_object('id', id, 'reason', reason)) FROM ended) AS ended,
      ${found} ${TIMED_COLUMNS}
    FROM request LEFT JOIN created ON true`;
}

// Here and in `rowOf` each property by itself: on Node 20 the rest of an object and spreading one take half of a
// signature's time.
export function valuesOf(session: NewSession) {
  const { id, userId, tokenHash, data, label, userAgent, ip, keyThumbprint } = session;
  const { remember, idleLifetime, absoluteLifetime } = session;
  return {
    id,
    bucket: bucketOfSession(id),
    userId,
    tokenHash,
    claims: JSON.stringify(session.claims),
    data: jsonOf(data),
    label,
    userAgent,
    ip,
    keyThumbprint,
    remember,
    idleLifetime,
    absoluteLifetime,
  };
}

/** The row of a new session: what was sent, and what the database has added. */
export function rowOf(values: ReturnType<typeof valuesOf>, minted: MintedRow): SessionRow {
  const { id, access_version, authenticated_ms, expires_ms, now_ms } = minted;
  return {
    user_id: values.userId,
    // A copy of the claims: those of a session are frozen.
    claims: JSON.parse(values.claims) as SessionClaims,
    token_version: 0,
    remember: values.remember ?? null,
    id,
    access_version,
    authenticated_ms,
    expires_ms,
    now_ms,
  };
}

export function jsonOf(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}
