import { Injectable } from '@nestjs/common';
import type { RotationCase, RotationState, TheftClass } from '../rules/rotation.js';
import { theftReason } from '../session.errors.js';
import { SessionTimers } from '../common/clock.js';
import { Database } from './database.js';
import { buildRotationStatements } from './rotation.statements.js';
import { StatementBatcher } from './statement-batcher.js';
import type { SessionRow } from './sql-fragments.js';

/** A refresh token as the rotation statement needs it; durations in milliseconds. */
export interface RotationRequest {
  readonly sessionId: string;
  readonly generation: number;
  readonly hash: Buffer;
  /** The successor that is written where the case mints one. */
  readonly candidate: { readonly hash: Buffer; readonly salt: Buffer };
  readonly leeway: number;
  readonly idleLifetime: number;
  readonly ip?: string;
  readonly userAgent?: string;
  /** Whether address and user agent must be those of the row. */
  readonly bound: { readonly ip: boolean; readonly userAgent: boolean };
}

export interface RotatedRow extends SessionRow {
  readonly last_case: RotationCase;
}

/** What stands in the row when the rotation statement found nothing to do. */
export interface ObservedSession {
  readonly userId: string;
  readonly state: RotationState;
  readonly revokedReason: string | null;
  /** Expired, or its refresh tokens were invalidated. */
  readonly expired: boolean;
  readonly invalidated: boolean;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** The use of an access token that may be the first sign of a successor. */
export interface UsedToken {
  readonly sessionId: string;
  readonly generation: number;
  readonly branch: string;
}

interface ObservedRow {
  user_id: string;
  generation: number;
  token_hash: string;
  successor_hash: string | null;
  previous_hash: string | null;
  in_window: boolean;
  revoked_reason: string | null;
  expired: boolean;
  invalidated: boolean;
  ip: string | null;
  user_agent: string | null;
}

/** The rotation protocol's statements; what they decide is held against `rules/rotation.ts` by a test. */
@Injectable()
export class RotationStore {
  private statements?: ReturnType<typeof buildRotationStatements>;
  private readonly batcher: StatementBatcher<RotationRequest, RotatedRow | undefined>;

  constructor(
    private readonly database: Database,
    timers: SessionTimers,
  ) {
    this.batcher = new StatementBatcher(
      {
        keyOf: ({ sessionId }) => sessionId,
        many: requests => this.rotateSeveral(requests),
        one: request => this.rotateOne(request),
      },
      timers,
    );
  }

  /**
   * The happy path: one UPDATE that decides, rotates and answers; requests of the same turn share one. Undefined where no
   * accepting case applies.
   */
  rotate(request: RotationRequest): Promise<RotatedRow | undefined> {
    return this.batcher.run(request);
  }

  private async rotateOne(request: RotationRequest): Promise<RotatedRow | undefined> {
    const [row] = await this.database.query<RotatedRow>(this.sql.rotate, [
      request.sessionId,
      request.generation,
      request.hash,
      request.candidate.hash,
      request.candidate.salt,
      request.leeway,
      request.idleLifetime,
      request.ip ?? null,
      request.userAgent ?? null,
      request.bound.ip,
      request.bound.userAgent,
    ]);
    return row;
  }

  private async rotateSeveral(requests: readonly RotationRequest[]): Promise<Map<string, RotatedRow>> {
    const { leeway, idleLifetime, bound } = requests[0]!;
    const rows = await this.database.query<RotatedRow>(this.sql.rotateSeveral, [
      requests.map(({ sessionId }) => sessionId),
      requests.map(({ generation }) => generation),
      requests.map(({ hash }) => hash),
      requests.map(({ candidate }) => candidate.hash),
      requests.map(({ candidate }) => candidate.salt),
      requests.map(({ ip }) => ip ?? null),
      requests.map(({ userAgent }) => userAgent ?? null),
      leeway,
      idleLifetime,
      bound.ip,
      bound.userAgent,
    ]);
    return new Map(rows.map(row => [row.id, row]));
  }

  async readForRotation(sessionId: string): Promise<ObservedSession | undefined> {
    const [row] = await this.database.query<ObservedRow>(this.sql.readForRotation, [sessionId]);
    return (
      row && {
        userId: row.user_id,
        state: {
          generation: row.generation,
          tokenHash: row.token_hash,
          successorHash: row.successor_hash,
          previousHash: row.previous_hash,
          inWindow: row.in_window,
        },
        revokedReason: row.revoked_reason,
        expired: row.expired,
        invalidated: row.invalidated,
        ip: row.ip,
        userAgent: row.user_agent,
      }
    );
  }

  /** `late-parent`: answers with the current generation if the row is still as observed. */
  async answerLateParent(request: RotationRequest, observed: ObservedSession): Promise<RotatedRow | undefined> {
    const [row] = await this.database.query<RotatedRow>(this.sql.answerLateParent, [
      ...observation(request.sessionId, observed.state),
      request.idleLifetime,
      request.ip ?? null,
      request.userAgent ?? null,
    ]);
    return row;
  }

  /**
   * Ends the session if the row is still as observed: theft must not be declared on what another connection has changed
   * meanwhile.
   *
   * @param allOfUser ends the user's other sessions with it
   * @returns the ids that were ended; empty when the row has changed
   */
  async endStolen(
    sessionId: string,
    observed: ObservedSession,
    theftClass: TheftClass,
    allOfUser: boolean,
  ): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(this.sql.endStolen, [
      ...observation(sessionId, observed.state),
      theftReason(theftClass),
      observed.userId,
      allOfUser,
    ]);
    return rows.map(({ id }) => id);
  }

  /** `confirmed-by-use` for up to a hundred sessions; those whose successor is another one are left alone. */
  async confirm(used: readonly UsedToken[], leeway: number, timeout?: number): Promise<void> {
    const values = [
      used.map(({ sessionId }) => sessionId),
      used.map(({ generation }) => generation),
      used.map(({ branch }) => Buffer.from(branch, 'base64url')),
      leeway,
    ];
    await this.database.query(this.sql.confirm, values, { timeout });
  }

  private get sql() {
    return (this.statements ??= buildRotationStatements(this.database.tables));
  }
}

function observation(sessionId: string, state: RotationState): unknown[] {
  return [sessionId, state.generation, state.tokenHash, state.successorHash, state.previousHash, state.inWindow];
}
