import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Device, SessionClaims, SessionData } from '../session.types.js';
import { Database, interval, milliseconds, type Statement } from './database.js';
import { announceSessions, authUuid, sessionColumns, type SessionRow } from './statements.js';

/** What `create` writes; durations in milliseconds. */
export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly claims: SessionClaims;
  readonly data?: SessionData;
  readonly label?: string;
  readonly userAgent?: string;
  readonly ip?: string;
  readonly idleLifetime: number;
  readonly absoluteLifetime: number | null;
  /** The session that came with the login request and ends with it. */
  readonly replaces?: string;
}

/** Which live sessions to end. */
export type SessionSelection =
  { readonly sessionId: string; readonly ownedBy?: string } | { readonly userId: string; readonly except?: string };

interface DeviceRow {
  id: string;
  label: string | null;
  user_agent: string | null;
  ip: string | null;
  created_ms: number;
  last_seen_ms: number;
}

/** The sessions' rows: creating, ending, listing, reading. Each operation is one statement. */
@Injectable()
export class SessionStore {
  private statements?: ReturnType<typeof buildStatements>;

  constructor(private readonly database: Database) {}

  /** Inserts the session and ends the one it replaces. */
  async create(session: NewSession, manager?: EntityManager): Promise<SessionRow & { replaced: boolean }> {
    const [row] = await this.database.query<SessionRow & { replaced: boolean }>(
      this.sql.create,
      [
        session.id,
        session.userId,
        session.tokenHash,
        JSON.stringify(session.claims),
        session.data === undefined ? null : JSON.stringify(session.data),
        session.label ?? null,
        session.userAgent ?? null,
        session.ip ?? null,
        session.idleLifetime,
        session.absoluteLifetime,
        session.replaces ?? null,
      ],
      manager,
    );
    return row!;
  }

  /** Ends live sessions and announces it in the same statement. Returns the ids of those that were ended. */
  async end(selection: SessionSelection, reason: string, manager?: EntityManager): Promise<string[]> {
    const rows =
      'sessionId' in selection
        ? await this.database.query<{ id: string }>(
            this.sql.endOne,
            [selection.sessionId, reason, selection.ownedBy ?? null],
            manager,
          )
        : await this.database.query<{ id: string }>(
            this.sql.endOfUser,
            [selection.userId, reason, selection.except ?? null],
            manager,
          );
    return rows.map(({ id }) => id);
  }

  async get(sessionId: string): Promise<SessionRow | undefined> {
    const [row] = await this.database.query<SessionRow>(this.sql.get, [sessionId]);
    return row;
  }

  /** The user's live sessions, the latest seen first. */
  async list(userId: string): Promise<Device[]> {
    const rows = await this.database.query<DeviceRow>(this.sql.list, [userId]);
    return rows.map(row => ({
      id: row.id,
      label: row.label,
      userAgent: row.user_agent,
      ip: row.ip,
      createdAt: new Date(row.created_ms),
      lastSeenAt: new Date(row.last_seen_ms),
    }));
  }

  async getData(sessionId: string, manager?: EntityManager): Promise<{ data: SessionData | null } | undefined> {
    const [row] = await this.database.query<{ data: SessionData | null }>(this.sql.getData, [sessionId], manager);
    return row;
  }

  /** Returns whether there was a live session to write to. */
  async setData(sessionId: string, data: SessionData, manager?: EntityManager): Promise<boolean> {
    const rows = await this.database.query(this.sql.setData, [sessionId, JSON.stringify(data)], manager);
    return rows.length > 0;
  }

  private get sql() {
    return (this.statements ??= buildStatements(this.database));
  }
}

function buildStatements({ tables }: Database) {
  const live = 's.revoked_at IS NULL AND s.expires_at > now()';
  const end = (name: string, selected: string): Statement => ({
    name: `jwt_session_${name}`,
    // Rows are locked in id order: two statements that end several sessions of a user would else deadlock.
    text: `WITH target AS (
        SELECT s.id FROM ${tables.session} s WHERE ${selected} AND ${live} ORDER BY s.id FOR NO KEY UPDATE
      ), ended AS (
        UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = $2
        FROM target WHERE s.id = target.id AND ${live} RETURNING s.id
      ), ${announceSessions(tables, '$2')}
      SELECT id, (SELECT count(sent) FROM announced) AS notifications FROM ended`,
  });
  return {
    create: {
      name: 'jwt_session_create',
      text: `WITH ended AS (
        UPDATE ${tables.session} s SET revoked_at = clock_timestamp(), revoked_reason = 'replaced'
        WHERE s.id = $11::uuid AND ${live} RETURNING s.id
      ), ${announceSessions(tables, "'replaced'")}, s AS (
        INSERT INTO ${tables.session} (id, user_id, generation, token_hash, leeway_until, access_auth_uuid, refresh_auth_uuid,
          claims, data, label, user_agent, ip, created_at, authenticated_at, last_seen_at, expires_at, absolute_expires_at)
        VALUES ($1, $2, 0, $3, now(), ${authUuid(tables, '$2', 'access')}, ${authUuid(tables, '$2', 'refresh')},
          $4, $5, $6, $7, $8, now(), now(), now(), LEAST(now() + ${interval('$9')}, now() + ${interval('$10')}), now() + ${interval('$10')})
        RETURNING *
      )
      SELECT ${sessionColumns(tables)}, (SELECT count(sent) > 0 FROM announced) AS replaced FROM s`,
    },
    endOne: end('end_one', 's.id = $1 AND ($3::text IS NULL OR s.user_id = $3)'),
    endOfUser: end('end_of_user', 's.user_id = $1 AND s.id IS DISTINCT FROM $3::uuid'),
    get: {
      name: 'jwt_session_get',
      text: `SELECT ${sessionColumns(tables)} FROM ${tables.session} s WHERE s.id = $1 AND ${live}`,
    },
    list: {
      name: 'jwt_session_list',
      text: `SELECT s.id, s.label, s.user_agent, s.ip, ${milliseconds('s.created_at')} AS created_ms,
          ${milliseconds('s.last_seen_at')} AS last_seen_ms
        FROM ${tables.session} s WHERE s.user_id = $1 AND ${live} ORDER BY s.last_seen_at DESC, s.id DESC`,
    },
    getData: {
      name: 'jwt_session_get_data',
      text: `SELECT s.data FROM ${tables.session} s WHERE s.id = $1 AND ${live}`,
    },
    setData: {
      name: 'jwt_session_set_data',
      text: `UPDATE ${tables.session} s SET data = $2 WHERE s.id = $1 AND ${live} RETURNING s.id`,
    },
  } satisfies Record<string, Statement>;
}
