import { Injectable } from '@nestjs/common';
import { bucketOfSession, bucketOfUser } from '../rules/bucket.js';
import type { PollPosition } from '../rules/poll-window.js';
import type { Announcement, RevocationsByKind } from '../rules/revocation-state.js';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import type { Statement } from '../common/statement.js';
import { Database } from './database.js';
import { buildEndStatements } from './end.statements.js';
import { queryRows } from './query-rows.js';
import {
  buildRevocationStatements,
  type LostRows,
  POLL_PAGE_ROWS,
  type PollCursor,
  type PollRow,
} from './revocation.statements.js';
import type { StatementBatcher } from './statement-batcher.js';
import type { SessionTables } from './tables.js';

/** One page of what ended, and where the database was. */
export interface RevocationPage extends Announcement {
  readonly position: PollPosition;
  /** Where the next page begins; undefined after the last one. */
  readonly next?: PollCursor;
}

/** @param since in the database's clock, milliseconds since the epoch; undefined for the whole span */
export function startOfPoll(since?: number): PollCursor {
  const at = since === undefined ? null : Math.floor(since * 1_000);
  return { sessionsAt: at, sessionsId: null, usersAt: at, usersId: null, claimsAt: at, claimsId: null };
}

/** Rows that are restored with one statement. */
const RESTORE_ROWS = 1_000;

/** What decides now whether a token of the session is valid. */
export interface SessionValidity {
  /** Undefined while the session lives. */
  readonly endedBy?: string;
  readonly accessVersion: number;
  /** That of the actor, in an impersonation. */
  readonly actorAccessVersion: number;
  readonly tokenVersion: number;
  readonly distrustedKeys: readonly string[];
}

/** Which live sessions to end. */
export type SessionSelection = OneSession | SessionsOfUser;

interface OneSession {
  readonly sessionId: string;
  readonly ownedBy?: string;
}

interface SessionsOfUser {
  readonly userId: string;
  readonly except?: string;
}

interface Reason {
  readonly reason: string;
}

/** Ends sessions, invalidates a user's tokens, and reads what ended early. */
@Injectable()
export class RevocationStore {
  private readonly ends: StatementBatcher<OneSession & Reason, string[]>;
  private readonly endsOfUsers: StatementBatcher<SessionsOfUser & Reason, string[]>;

  constructor(private readonly database: Database) {
    this.ends = database.batched({
      keyOf: ({ sessionId }) => sessionId,
      many: requests => this.endSeveral(requests),
      one: request => this.endOne(request),
    });
    this.endsOfUsers = database.batched({
      keyOf: ({ userId }) => userId,
      many: requests => this.endOfUsers(requests),
      one: request => this.endOfUser(request),
    });
  }

  /**
   * Ends live sessions and announces it in the same statement. Without a transaction, requests of the same turn share
   * one.
   *
   * @returns the ids of the sessions that were ended
   */
  end(selection: SessionSelection, reason: string, manager?: EntityManager): Promise<string[]> {
    const request = { ...selection, reason };
    if ('sessionId' in request) return manager ? this.endOne(request, manager) : this.ends.run(request);
    return manager ? this.endOfUser(request, manager) : this.endsOfUsers.run(request);
  }

  /**
   * Reads one page of the reconciliation poll.
   *
   * @param now the process's clock
   * @param echo sent as a notification, to see whether notifications arrive; null for none
   * @param cursor `startOfPoll()`, or `next` of the page before
   */
  async poll(
    { span, now, echo }: { span: number; now: number; echo: string | null },
    cursor: PollCursor,
    timeout?: number,
  ): Promise<RevocationPage> {
    const values = { span, now, echo, pageRows: POLL_PAGE_ROWS, ...cursor };
    const [row] = await this.database.query(this.sql.poll, values, { timeout });
    const latest = Math.min(row!.now_ms, now);
    // From microseconds since the epoch.
    const age = (at: number) => Math.max(0, latest - at / 1000);
    const sessions = row!.sessions?.map(({ id, reason, at }) => ({ id, reason, age: age(at) }));
    const users = row!.users?.map(({ id, version, at }) => ({ id, version, age: age(at) }));
    const claims = row!.claims?.map(({ id, version, at }) => ({ id, version, age: age(at) }));
    return {
      position: positionOf(row!),
      sessions,
      users,
      claims,
      keys: row!.keys ?? [],
      next: nextCursor(row!, cursor),
    };
  }

  /**
   * Writes again what a failover has lost: ends sessions, raises versions.
   *
   * @returns how many rows the database had lost
   */
  async restore({ sessions, users, claims }: RevocationsByKind, timeout: number): Promise<number> {
    let restored = 0;
    const write = async <Value>(
      statement: Statement<LostRows<Value>>,
      bucketOf: (id: string) => number,
      rows: readonly (readonly [id: string, value: Value])[],
    ) => {
      for (let from = 0; from < rows.length; from += RESTORE_ROWS) {
        const page = rows.slice(from, from + RESTORE_ROWS);
        const id = page.map(([each]) => each);
        const value = page.map(([, each]) => each);
        const values = { id, bucket: id.map(bucketOf), value, count: page.length };
        restored += (await queryRows(this.database, statement, values, { timeout })).length;
      }
    };
    const { restoreSessions, restoreUsers, restoreClaims } = this.sql;
    await write(
      restoreSessions,
      bucketOfSession,
      sessions.map(({ id, reason }) => [id, reason] as const),
    );
    await write(
      restoreUsers,
      bucketOfUser,
      users.map(({ id, version }) => [id, version] as const),
    );
    await write(
      restoreClaims,
      bucketOfSession,
      claims.map(({ id, version }) => [id, version] as const),
    );
    return restored;
  }

  async readValidity(sessionId: string, timeout: number): Promise<SessionValidity> {
    const [row] = await this.database.query(this.sql.validity, { sessionId }, { timeout });
    return {
      endedBy: row!.ended === false ? undefined : (row!.reason ?? 'expired'),
      accessVersion: Number(row!.access_version),
      actorAccessVersion: Number(row!.actor_access_version),
      tokenVersion: row!.token_version ?? 0,
      distrustedKeys: row!.keys ?? [],
    };
  }

  /**
   * Invalidates the tokens of one type that the user has now, and announces it in the same statement. The version grows
   * under the row's lock, at least to the milliseconds since the epoch.
   *
   * @returns the new version
   */
  async invalidate(userId: string, type: 'access' | 'refresh', manager?: EntityManager): Promise<number> {
    const values = { userId, type, uuid: randomUUID() };
    const [row] = await this.database.inTime(deadline =>
      this.database.query(this.sql.invalidate, { ...values, deadline }, { manager }),
    );
    return Number(row!.version);
  }

  private async endOne(
    { sessionId, ownedBy, reason }: OneSession & Reason,
    manager?: EntityManager,
  ): Promise<string[]> {
    const rows = await this.database.query(this.sql.endOne, { sessionId, ownedBy, reason }, { manager });
    return rows.map(({ id }) => id);
  }

  private async endSeveral(requests: readonly (OneSession & Reason)[]): Promise<Map<string, string[]>> {
    const rows = await this.database.query(this.sql.endSeveral, {
      count: requests.length,
      sessionId: requests.map(({ sessionId }) => sessionId),
      ownedBy: requests.map(({ ownedBy }) => ownedBy),
      reason: requests.map(({ reason }) => reason),
    });
    const ended = new Map<string, string[]>();
    for (const { asked, id } of rows) ended.set(asked, [...(ended.get(asked) ?? []), ...(id === null ? [] : [id])]);
    return ended;
  }

  private async endOfUser(
    { userId, except, reason }: SessionsOfUser & Reason,
    manager?: EntityManager,
  ): Promise<string[]> {
    const rows = await this.database.inTime(deadline =>
      this.database.query(this.sql.endOfUser, { userId, except, reason, deadline }, { manager }),
    );
    return rows.flatMap(({ id }) => id ?? []);
  }

  private async endOfUsers(requests: readonly (SessionsOfUser & Reason)[]): Promise<Map<string, string[]>> {
    const rows = await this.database.query(this.sql.endOfUsers, {
      count: requests.length,
      noLimit: null,
      deadline: this.database.deadline,
      userId: requests.map(({ userId }) => userId),
      except: requests.map(({ except }) => except),
      reason: requests.map(({ reason }) => reason),
    });
    const ofUser = new Map<string, string[]>();
    const withSession = new Map<string, string[]>();
    for (const { user_id, id, ended_with } of rows) {
      if (id === null) {
        ofUser.set(user_id, []);
        continue;
      }
      const ended = user_id === null ? withSession.get(ended_with)! : ofUser.get(user_id)!;
      ended.push(id);
      withSession.set(id, ended);
    }
    return ofUser;
  }

  private get sql() {
    return this.database.statements(buildStatements);
  }
}

function buildStatements(tables: SessionTables) {
  return { ...buildEndStatements(tables), ...buildRevocationStatements(tables) };
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

function positionOf(row: PollRow): PollPosition {
  return {
    now: row.now_ms,
    server: row.server,
    oldestTransaction: BigInt(row.oldest_transaction),
    nextTransaction: BigInt(row.next_transaction),
  };
}

/** A kind whose page is not full has no more rows; reading it again costs little. */
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
