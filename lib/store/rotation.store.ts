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

/** The rotation protocol's statements; what they decide is held against `rules/rotation.ts` by a test. */
@Injectable()
export class RotationStore {
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
    const [row] = await this.database.query(this.sql.rotate, {
      ...optionsOf(request),
      sessionId: request.sessionId,
      generation: request.generation,
      hash: request.hash,
      candidateHash: request.candidate.hash,
      candidateSalt: request.candidate.salt,
      ip: request.ip,
      userAgent: request.userAgent,
    });
    return row;
  }

  private async rotateSeveral(requests: readonly RotationRequest[]): Promise<Map<string, RotatedRow>> {
    const rows = await this.database.query(this.sql.rotateSeveral, {
      ...optionsOf(requests[0]!),
      sessionId: requests.map(({ sessionId }) => sessionId),
      generation: requests.map(({ generation }) => generation),
      hash: requests.map(({ hash }) => hash),
      candidateHash: requests.map(({ candidate }) => candidate.hash),
      candidateSalt: requests.map(({ candidate }) => candidate.salt),
      ip: requests.map(({ ip }) => ip),
      userAgent: requests.map(({ userAgent }) => userAgent),
    });
    return new Map(rows.map(row => [row.id, row]));
  }

  async readForRotation(sessionId: string): Promise<ObservedSession | undefined> {
    const [row] = await this.database.query(this.sql.readForRotation, { sessionId });
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
    const { sessionId, idleLifetime, ip, userAgent } = request;
    const values = { ...observed.state, sessionId, idleLifetime, ip, userAgent };
    const [row] = await this.database.query(this.sql.answerLateParent, values);
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
    const { state, userId } = observed;
    const values = { ...state, sessionId, userId, allOfUser, reason: theftReason(theftClass) };
    const rows = await this.database.query(this.sql.endStolen, values);
    return rows.map(({ id }) => id);
  }

  /** `confirmed-by-use` for up to a hundred sessions; those whose successor is another one are left alone. */
  async confirm(used: readonly UsedToken[], leeway: number, timeout?: number): Promise<void> {
    const values = {
      sessionId: used.map(({ sessionId }) => sessionId),
      generation: used.map(({ generation }) => generation),
      branch: used.map(({ branch }) => Buffer.from(branch, 'base64url')),
      leeway,
    };
    await this.database.query(this.sql.confirm, values, { timeout });
  }

  private get sql() {
    return this.database.statements(buildRotationStatements);
  }
}

/** The options are those of the application, and the same in every request. */
function optionsOf({ leeway, idleLifetime, bound }: RotationRequest) {
  return { leeway, idleLifetime, isIpBound: bound.ip, isUserAgentBound: bound.userAgent };
}
