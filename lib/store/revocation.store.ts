import { Injectable } from '@nestjs/common';
import type { Announcement } from '../rules/revocation-state.js';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { Database, interval, milliseconds, type Statement } from './database.js';
import { notify, REVOKED_REASON } from './sql-fragments.js';

/** Everything that ended within the span, and the database's clock. */
export interface RevocationPoll extends Announcement {
  readonly now: number;
}

/** How a session stands in the database at this moment. */
export interface SessionStanding {
  /** Undefined while the session lives. */
  readonly endedBy?: string;
  readonly accessVersion: number;
  readonly tokenVersion: number;
  readonly distrustedKeys: readonly string[];
}

interface PollRow {
  now_ms: number;
  sessions: { id: string; reason: string }[] | null;
  users: { id: string; version: number }[] | null;
  claims: { id: string; version: number }[] | null;
  keys: string[] | null;
}

interface StandingRow {
  reason: string | null;
  /** Null where there is no such session. */
  ended: boolean | null;
  token_version: number | null;
  access_version: string | null;
  keys: string[] | null;
}

/** Reads what ended early, and writes what invalidates a user's tokens. */
@Injectable()
export class RevocationStore {
  private statements?: ReturnType<typeof buildStatements>;

  constructor(private readonly database: Database) {}

  /**
   * The reconciliation poll: the whole span each time, because the order of commits is not the order of time.
   *
   * @param echo sent as a notification, to see whether any arrive; null for none
   */
  async poll(span: number, echo: string | null, timeout: number): Promise<RevocationPoll> {
    const [row] = await this.database.query<PollRow>(this.sql.poll, [span, echo], { timeout });
    const { now_ms, sessions, users, claims, keys } = row!;
    return { now: now_ms, sessions: sessions ?? [], users: users ?? [], claims: claims ?? [], keys: keys ?? [] };
  }

  async standing(sessionId: string, timeout: number): Promise<SessionStanding> {
    const [row] = await this.database.query<StandingRow>(this.sql.standing, [sessionId], { timeout });
    return {
      endedBy: row!.ended === false ? undefined : (row!.reason ?? 'expired'),
      accessVersion: Number(row!.access_version),
      tokenVersion: row!.token_version ?? 0,
      distrustedKeys: row!.keys ?? [],
    };
  }

  /**
   * Invalidates the tokens of one type that the user has now, and announces it in the same statement. The version grows
   * by one under the row's lock.
   *
   * @returns the new version
   */
  async invalidate(userId: string, type: 'access' | 'refresh', manager?: EntityManager): Promise<number> {
    const [row] = await this.database.query<{ version: string }>(this.sql.invalidate, [userId, type, randomUUID()], {
      manager,
    });
    return Number(row!.version);
  }

  private get sql() {
    return (this.statements ??= buildStatements(this.database));
  }
}

function buildStatements({ tables }: Database) {
  const since = `clock_timestamp() - ${interval('$1')}`;
  return {
    // `$2` is selected as well, because a parameter must be used: with the polling feed nothing else mentions it.
    poll: {
      name: 'jwt_session_revocation_poll',
      text: `SELECT ${milliseconds('clock_timestamp()')} AS now_ms,
          (SELECT json_agg(json_build_object('id', s.id, 'reason', ${REVOKED_REASON}))
            FROM ${tables.session} s WHERE s.revoked_at > ${since}) AS sessions,
          (SELECT json_agg(json_build_object('id', a.user_id, 'version', a.version))
            FROM ${tables.userAuth} a WHERE a.token_type = 'access' AND a.changed_at > ${since}) AS users,
          (SELECT json_agg(json_build_object('id', s.id, 'version', s.token_version))
            FROM ${tables.session} s WHERE s.claims_changed_at > ${since}) AS claims,
          (SELECT json_agg(k.kid) FROM ${tables.signingKey} k WHERE k.distrusted_at IS NOT NULL) AS keys,
          ${notify(tables, "json_build_object('echo', $2::text)", '$2::text IS NOT NULL')} AS echoed, $2::text AS echo`,
    },
    standing: {
      name: 'jwt_session_standing',
      text: `SELECT ${REVOKED_REASON} AS reason, (s.revoked_at IS NOT NULL OR s.expires_at <= now()) AS ended, s.token_version,
          (SELECT a.version FROM ${tables.userAuth} a
            WHERE a.user_id = s.user_id AND a.token_type = 'access')::text AS access_version,
          (SELECT json_agg(k.kid) FROM ${tables.signingKey} k WHERE k.distrusted_at IS NOT NULL) AS keys
        FROM (VALUES ($1::uuid)) AS asked (id) LEFT JOIN ${tables.session} s ON s.id = asked.id`,
    },
    invalidate: {
      name: 'jwt_session_invalidate',
      text: `WITH changed AS (
          INSERT INTO ${tables.userAuth} AS a (user_id, token_type, uuid, version, changed_at)
          VALUES ($1, $2, $3, 1, clock_timestamp())
          ON CONFLICT (user_id, token_type)
            DO UPDATE SET uuid = EXCLUDED.uuid, version = a.version + 1, changed_at = clock_timestamp()
          RETURNING a.user_id, a.token_type, a.version
        )
        SELECT version::text, ${notify(tables, "json_build_object('users', json_build_array(json_build_object('id', user_id, 'version', version)))", "token_type = 'access'")} AS announced
        FROM changed`,
    },
  } satisfies Record<string, Statement>;
}
