import { Injectable } from '@nestjs/common';
import type { Announcement, Lost } from '../rules/revocation-state.js';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { Database } from './database.js';
import { buildRevocationStatements, POLL_PAGE_ROWS, type PollCursor } from './revocation.statements.js';

/** One page of everything that ended within the span, and the database's clock. */
export interface RevocationPage extends Announcement {
  readonly now: number;
  /** Where the next page begins; undefined after the last one. */
  readonly next?: PollCursor;
}

const START: PollCursor = {
  sessionsAt: null,
  sessionsId: null,
  usersAt: null,
  usersId: null,
  claimsAt: null,
  claimsId: null,
};

/** Rows that are restored with one statement. */
const RESTORE_ROWS = 1_000;

/** What decides now whether a token of the session is valid. */
export interface SessionValidity {
  /** Undefined while the session lives. */
  readonly endedBy?: string;
  readonly accessVersion: number;
  readonly tokenVersion: number;
  readonly distrustedKeys: readonly string[];
}

/** Reads what ended early, and writes what invalidates a user's tokens. */
@Injectable()
export class RevocationStore {
  constructor(private readonly database: Database) {}

  /**
   * Reads one page of the reconciliation poll. A poll reads the whole span each time, because the order of commits is
   * not the order of time.
   *
   * @param now the process's clock
   * @param echo sent as a notification, to see whether notifications arrive; null for none
   * @param cursor `next` of the page before
   */
  async poll(
    { span, now, echo }: { span: number; now: number; echo: string | null },
    cursor: PollCursor = START,
    timeout?: number,
  ): Promise<RevocationPage> {
    const [row] = await this.database.query(this.sql.poll, { span, now, echo, ...cursor }, { timeout });
    const latest = Math.min(row!.now_ms, now);
    const sessions = withAge(row!.sessions, latest);
    const users = withAge(row!.users, latest);
    const claims = withAge(row!.claims, latest);
    return { now: row!.now_ms, sessions, users, claims, keys: row!.keys ?? [], next: nextCursor(row!, cursor) };
  }

  /**
   * Writes again what a failover has lost: ends sessions, raises versions.
   *
   * @returns how many rows the database had lost
   */
  async restore({ sessions, users, claims }: Lost, timeout: number): Promise<number> {
    const { restoreSessions, restoreUsers, restoreClaims } = this.sql;
    let restored = 0;
    for (const [statement, rows] of [
      [restoreSessions, sessions],
      [restoreUsers, users],
      [restoreClaims, claims],
    ] as const) {
      for (let from = 0; from < rows.length; from += RESTORE_ROWS) {
        const lost = JSON.stringify(rows.slice(from, from + RESTORE_ROWS));
        restored += (await this.database.query(statement, { lost }, { timeout })).length;
      }
    }
    return restored;
  }

  async readValidity(sessionId: string, timeout: number): Promise<SessionValidity> {
    const [row] = await this.database.query(this.sql.validity, { sessionId }, { timeout });
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
    const values = { userId, type, uuid: randomUUID() };
    const [row] = await this.database.query(this.sql.invalidate, values, { manager });
    return Number(row!.version);
  }

  private get sql() {
    return this.database.statements(buildRevocationStatements);
  }
}

interface Pages {
  readonly sessions: readonly PolledRow[] | null;
  readonly users: readonly PolledRow[] | null;
  readonly claims: readonly PolledRow[] | null;
}

interface PolledRow {
  readonly id: string;
  readonly at: number;
}

/** `age` in milliseconds, from `at` in microseconds since the epoch. */
function withAge<Row extends { readonly at: number }>(rows: readonly Row[] | null, now: number) {
  return (rows ?? []).map(({ at, ...row }) => ({ ...row, age: Math.max(0, now - at / 1000) }));
}

/** After a page that is not full, a kind has no more rows; asking for more of it again costs little. */
function nextCursor({ sessions, users, claims }: Pages, cursor: PollCursor): PollCursor | undefined {
  if (![sessions, users, claims].some(rows => rows?.length === POLL_PAGE_ROWS)) return undefined;
  const [session, user, claim] = [sessions?.at(-1), users?.at(-1), claims?.at(-1)];
  return {
    sessionsAt: session?.at ?? cursor.sessionsAt,
    sessionsId: session?.id ?? cursor.sessionsId,
    usersAt: user?.at ?? cursor.usersAt,
    usersId: user?.id ?? cursor.usersId,
    claimsAt: claim?.at ?? cursor.claimsAt,
    claimsId: claim?.id ?? cursor.claimsId,
  };
}
