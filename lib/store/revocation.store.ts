import { Injectable } from '@nestjs/common';
import type { Announcement } from '../rules/revocation-state.js';
import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { Database } from './database.js';
import { buildRevocationStatements } from './revocation.statements.js';

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

/** Reads what ended early, and writes what invalidates a user's tokens. */
@Injectable()
export class RevocationStore {
  constructor(private readonly database: Database) {}

  /**
   * The reconciliation poll: the whole span each time, because the order of commits is not the order of time.
   *
   * @param echo sent as a notification, to see whether any arrive; null for none
   */
  async poll(span: number, echo: string | null, timeout: number): Promise<RevocationPoll> {
    const [row] = await this.database.query(this.sql.poll, { span, echo }, { timeout });
    const { now_ms, sessions, users, claims, keys } = row!;
    return { now: now_ms, sessions: sessions ?? [], users: users ?? [], claims: claims ?? [], keys: keys ?? [] };
  }

  async standing(sessionId: string, timeout: number): Promise<SessionStanding> {
    const [row] = await this.database.query(this.sql.standing, { sessionId }, { timeout });
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
