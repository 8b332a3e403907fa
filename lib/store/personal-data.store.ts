import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import type { SessionExport } from '../session.types.js';
import { Database } from './database.js';
import { forgetDevices } from './known-device.statements.js';
import { DEVICE_COLUMNS, type DeviceRow } from './device-columns.js';
import {
  announceSessions,
  IN_BUCKET,
  IS_TIMELY,
  LIVE_OF_ID,
  type NoLimit,
  OF_USER,
  REVOKED_REASON,
  TIMED_COLUMNS,
  timedRequest,
  type TimedRow,
  UNLIMITED,
  type WithDeadline,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';

/** What is stored about the user of a session, until the clean-up removes its row. */
@Injectable()
export class PersonalDataStore {
  constructor(private readonly database: Database) {}

  /** All sessions of the user, the newest first. */
  async export(userId: string): Promise<SessionExport[]> {
    const rows = await this.database.query(this.sql.export, { userId });
    return rows.map(({ createdAt, lastSeenAt, expiresAt, revokedAt, ...row }) => ({
      ...row,
      createdAt: new Date(createdAt),
      lastSeenAt: new Date(lastSeenAt),
      expiresAt: new Date(expiresAt),
      revokedAt: revokedAt === null ? null : new Date(revokedAt),
    }));
  }

  /**
   * Ends the user's sessions, announces that, and blanks what their rows tell of the user, and forgets the user's devices, in one statement.
   *
   * @returns the ids of the sessions that were ended
   */
  async erase(userId: string, reason: string, manager?: EntityManager): Promise<string[]> {
    const rows = await this.database.inTime(deadline =>
      this.database.query(this.sql.erase, { userId, reason, noLimit: null, deadline }, { manager }),
    );
    return rows.flatMap(({ id }) => id ?? []);
  }

  private get sql() {
    return this.database.statements(buildPersonalDataStatements);
  }
}

/** Times are milliseconds since the epoch. */
interface ExportedRow extends DeviceRow, Pick<SessionExport, 'userId' | 'revokedReason' | 'claims' | 'data'> {
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}

/** The id is null where no session was live. */
interface ErasedRow extends TimedRow {
  readonly id: string | null;
}

export function buildPersonalDataStatements(tables: SessionTables) {
  // No index has all rows of a user, but two together have: that of the users of rows that were not revoked, and that
  // of the rows that were, which the clean-up keeps small.
  const ofUser = (columns: string) => `
      SELECT ${columns} FROM ${tables.session} s WHERE ${OF_USER} AND s.revoked_at IS NULL
      UNION ALL
      SELECT ${columns} FROM ${tables.session} s WHERE ${OF_USER} AND s.revoked_at IS NOT NULL`;
  return {
    export: statement<{ userId: string }, ExportedRow>(
      'jwt_session_export',
      `${ofUser(`${DEVICE_COLUMNS}, s.user_id AS "userId", ${milliseconds('s.expires_at')} AS "expiresAt",
        ${milliseconds('s.revoked_at')} AS "revokedAt", ${REVOKED_REASON} AS "revokedReason", s.claims, s.data`)}
      ORDER BY "createdAt" DESC, id DESC`,
    ),
    // Rows are locked in id order, as everywhere. A late statement would also end sessions that were logged in to since.
    erase: statement<{ userId: string; reason: string } & NoLimit & WithDeadline, ErasedRow>(
      'jwt_session_erase',
      `WITH chosen AS (${ofUser('s.id')}
          ORDER BY id ${UNLIMITED}
        ), target AS (
          SELECT chosen.id, locked.live FROM chosen CROSS JOIN LATERAL (
            SELECT ${LIVE_OF_ID} AS live FROM ${tables.session} s 
            WHERE s.id = chosen.id AND ${IN_BUCKET} FOR NO KEY UPDATE
          ) AS locked
        ), ${timedRequest('target')}, erased AS (
          UPDATE ${tables.session} s SET
            revoked_at = CASE WHEN target.live THEN request.time ELSE s.revoked_at END,
            revoked_reason = CASE WHEN target.live THEN :reason ELSE s.revoked_reason END,
            claims = '{}', data = NULL, label = NULL, actor_reason = NULL, ip = NULL, user_agent = NULL, user_agent_hash = NULL,
            key_thumbprint = NULL, key_offered = NULL, key_kind = NULL
          FROM target, request WHERE s.id = target.id AND ${IN_BUCKET} AND request.timely
          RETURNING s.id, s.revoked_reason AS reason, target.live
        ), revoked AS (
          SELECT id, reason FROM erased WHERE live
        ), forgotten AS (
          ${forgetDevices(tables, IS_TIMELY)}
        ), ${announceSessions(tables)}
        SELECT ended.id, (SELECT count(sent) FROM announced) AS notifications, ${TIMED_COLUMNS}
        FROM request LEFT JOIN ended ON true`,
    ),
  };
}
