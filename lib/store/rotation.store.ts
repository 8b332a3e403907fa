import { Injectable } from '@nestjs/common';
import { maxRequestAge, type RotationState, type UsedAccessToken } from '../rules/rotation.js';
import { revokesUser, type TheftClass, theftReason } from '../rules/theft.js';
import type { ClientInfo } from '../common/client-address.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { Database } from './database.js';
import { DatabaseClock, type Deadline } from './database-clock.js';
import { buildKeyBindingStatements } from './key-binding.statements.js';
import { queryRows } from './query-rows.js';
import { buildRotationStatements } from './rotation.statements.js';
import type { StatementBatcher } from './statement-batcher.js';
import type { SessionRow } from './sql-fragments.js';
import type { SessionTables } from './tables.js';
import { userAgentSettings } from './user-agent.js';

/** The session that a request is about. */
export interface SessionRequest {
  readonly sessionId: string;
  /** The request changes nothing afterwards; in the database's clock, milliseconds since the epoch. */
  readonly deadline: number;
}

/** A refresh token as the rotation statement needs it. */
export interface RotationRequest extends SessionRequest, ClientInfo {
  readonly generation: number;
  readonly hash: Buffer;
  /** The successor that is written where the case mints one. */
  readonly candidate: { readonly hash: Buffer; readonly salt: Buffer };
}

/** A proof of a session's key as its statement needs it. */
export interface KeyProofRequest extends SessionRequest, ClientInfo {
  /** SHA-256 (RFC 7638). */
  readonly thumbprint: Buffer;
  /** The refresh token that came with the proof; undefined where the proof alone counts. */
  readonly generation: number | undefined;
  readonly hash: Buffer | undefined;
}

export interface RotatedRow extends SessionRow {
  /** One of `CASE_LETTERS`. */
  readonly last_case: string;
  /** Where the answer is a token that was issued before: its hash, and the salt that derives it from the given one. */
  readonly child_hash?: Buffer | null;
  readonly child_salt?: Buffer | null;
}

export interface ProvedRow extends RotatedRow {
  /** The session's refresh token, which its access tokens name. */
  readonly generation: number;
  readonly token_hash: Buffer;
}

/** The row when the rotation statement found nothing to do. */
export interface ObservedSession {
  readonly userId: string;
  readonly state: RotationState;
  readonly revokedReason: string | null;
  /** Expired, or its refresh tokens were invalidated. */
  readonly expired: boolean;
  readonly invalidated: boolean;
  /** The request's deadline has passed. */
  readonly late: boolean;
  /** The thumbprint of the key that was registered and is not yet in use. */
  readonly offeredKey: string | null;
  /** The session is bound to another client. */
  readonly ofAnotherClient: boolean;
  /** When its tokens were last issued, in milliseconds since the epoch. */
  readonly lastSeenAt: number;
}

/** An access token in use, with its session. */
export interface UsedToken extends Omit<UsedAccessToken, 'isLater'> {
  readonly sessionId: string;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
}

/** What the uses of access tokens have shown. */
export interface UseOutcome {
  /** Sessions whose row was locked: their tokens are to be given again. */
  readonly skipped: readonly string[];
  /** Sessions that were ended, because a token of theirs is off the lineage. */
  readonly stolen: readonly { readonly sessionId: string; readonly userId: string }[];
  /** Sessions with such a token that `endStolen` is to end, together with the others of the user. */
  readonly forks: readonly string[];
}

/** An access token in use that was issued with the registration of a key. */
export interface NewKey {
  readonly sessionId: string;
  /** The first bytes of its thumbprint, base64url. */
  readonly newKey: string | undefined;
}

export interface KeyUseOutcome {
  /** Sessions whose row was locked: their tokens are to be given again. */
  readonly skipped: readonly string[];
  /** Sessions that are bound from now on. */
  readonly bound: readonly { readonly sessionId: string; readonly userId: string }[];
}

/** The rotation's statements. A test compares what they decide with `rules/rotation.ts`. */
@Injectable()
export class RotationStore {
  private readonly rotations: StatementBatcher<RotationRequest, RotatedRow | undefined>;
  private readonly proofs: StatementBatcher<KeyProofRequest, ProvedRow | undefined>;

  constructor(
    private readonly database: Database,
    private readonly clock: DatabaseClock,
    private readonly options: ResolvedSessionOptions,
  ) {
    this.rotations = database.batched<RotationRequest, RotatedRow | undefined>({
      keyOf: ({ sessionId }) => sessionId,
      many: requests => this.rotateSeveral(requests),
      // Each property by itself: on Node 20 the rest of an object takes as long as the digests of a refresh.
      one: async ({ sessionId, generation, hash, candidate, ip, userAgent, deadline }) => {
        const { hash: candidateHash, salt: candidateSalt } = candidate;
        const values = { sessionId, generation, hash, candidateHash, candidateSalt, ip, userAgent, deadline };
        return (await database.query(this.sql.rotate, values))[0];
      },
    });
    this.proofs = database.batched<KeyProofRequest, ProvedRow | undefined>({
      keyOf: ({ sessionId }) => sessionId,
      many: requests => this.proveSeveral(requests),
      one: async request => (await database.query(this.sql.prove, request))[0],
    });
  }

  /**
   * The happy path: one UPDATE that decides, rotates and answers; requests of the same turn share one. Undefined where
   * no accepting case applies.
   */
  rotate(request: RotationRequest): Promise<RotatedRow | undefined> {
    return this.rotations.run(request);
  }

  /** The refresh of a session that is bound to a key, by one UPDATE. Undefined where that key is not the session's. */
  prove(request: KeyProofRequest): Promise<ProvedRow | undefined> {
    return this.proofs.run(request);
  }

  /** Keeps the key that a browser registers for a session. Undefined where the session has another one, or has ended. */
  async offerKey(request: SessionRequest & { readonly thumbprint: Buffer }): Promise<ProvedRow | undefined> {
    const { sessionId, deadline, thumbprint } = request;
    return (await this.database.query(this.sql.offerKey, { sessionId, deadline, thumbprint }))[0];
  }

  /**
   * Binds sessions to the registered keys that are in use.
   *
   * @param used up to a hundred tokens of different sessions
   */
  async confirmKeys(used: readonly NewKey[], timeout?: number): Promise<KeyUseOutcome> {
    const values = {
      sessionId: used.map(({ sessionId }) => sessionId),
      key: used.map(({ newKey }) => Buffer.from(newKey ?? '', 'base64url')),
      count: used.length,
      deadline: this.deadline().databaseTime,
    };
    const rows = await queryRows(this.database, this.sql.confirmKeys, values, { timeout });
    return {
      skipped: rows.filter(({ user_id }) => user_id === null).map(({ id }) => id),
      bound: rows.flatMap(({ id, user_id }) => (user_id === null ? [] : [{ sessionId: id, userId: user_id }])),
    };
  }

  /** When a refresh that comes now is too old. */
  deadline(): Deadline {
    return this.clock.deadline(maxRequestAge(this.options.session.leeway));
  }

  private async rotateSeveral(requests: readonly RotationRequest[]): Promise<Map<string, RotatedRow>> {
    const rows = await this.database.query(this.sql.rotateSeveral, {
      count: requests.length,
      sessionId: requests.map(({ sessionId }) => sessionId),
      generation: requests.map(({ generation }) => generation),
      hash: requests.map(({ hash }) => hash),
      candidateHash: requests.map(({ candidate }) => candidate.hash),
      candidateSalt: requests.map(({ candidate }) => candidate.salt),
      ip: requests.map(({ ip }) => ip),
      userAgent: requests.map(({ userAgent }) => userAgent),
      deadline: requests.map(({ deadline }) => deadline),
    });
    return new Map(rows.map(row => [row.id, row]));
  }

  private async proveSeveral(requests: readonly KeyProofRequest[]): Promise<Map<string, ProvedRow>> {
    const rows = await this.database.query(this.sql.proveSeveral, {
      count: requests.length,
      sessionId: requests.map(({ sessionId }) => sessionId),
      thumbprint: requests.map(({ thumbprint }) => thumbprint),
      generation: requests.map(({ generation }) => generation),
      hash: requests.map(({ hash }) => hash),
      ip: requests.map(({ ip }) => ip),
      userAgent: requests.map(({ userAgent }) => userAgent),
      deadline: requests.map(({ deadline }) => deadline),
    });
    return new Map(rows.map(row => [row.id, row]));
  }

  async readForRotation({
    sessionId,
    deadline,
    ip,
    userAgent,
  }: SessionRequest & ClientInfo): Promise<ObservedSession | undefined> {
    const [row] = await this.database.query(this.sql.readForRotation, { sessionId, deadline, ip, userAgent });
    return (
      row && {
        userId: row.user_id,
        state: {
          generation: row.generation,
          tokenHash: row.token_hash,
          successorHash: row.successor_hash,
          previousHash: row.previous_hash,
          inWindow: row.in_window,
          key: row.key,
        },
        revokedReason: row.revoked_reason,
        expired: row.expired,
        invalidated: row.invalidated,
        late: row.late,
        offeredKey: row.offered_key,
        ofAnotherClient: row.other_client,
        lastSeenAt: row.last_seen_ms,
      }
    );
  }

  /** `late-parent`: answers with the current generation if the row is still as observed. */
  async answerLateParent(request: SessionRequest & ClientInfo, { state }: ObservedSession) {
    return (await this.database.query(this.sql.answerLateParent, { ...request, ...state }))[0];
  }

  /** `recovered`: takes the given token for the current one if the row is still as observed. */
  async recover(request: RotationRequest, { state }: ObservedSession): Promise<RotatedRow | undefined> {
    const { generation: givenGeneration, hash: givenHash } = request;
    return (await this.database.query(this.sql.recover, { ...request, ...state, givenGeneration, givenHash }))[0];
  }

  /**
   * Ends the session if the row is still as observed: a row that another connection has changed meanwhile is no theft.
   *
   * @param allOfUser ends the user's other sessions with it
   * @returns the ids that were ended; empty when the row has changed
   */
  async endStolen(
    { sessionId, deadline }: SessionRequest,
    observed: ObservedSession,
    theftClass: TheftClass,
    allOfUser: boolean,
  ): Promise<string[]> {
    const { state, userId } = observed;
    const values = { ...state, deadline, sessionId, userId, allOfUser, reason: theftReason(theftClass), noLimit: null };
    const rows = await this.database.query(this.sql.endStolen, values);
    return rows.map(({ id }) => id);
  }

  /**
   * Confirms successors that are in use, and ends sessions of which a token off the lineage is in use; with `onTheft:
   * 'revoke-user'` it reports those instead.
   *
   * @param used up to a hundred tokens of different sessions
   */
  async confirm(used: readonly UsedToken[], timeout?: number): Promise<UseOutcome> {
    const values = {
      sessionId: used.map(({ sessionId }) => sessionId),
      generation: used.map(({ generation }) => generation),
      branch: used.map(({ branch }) => Buffer.from(branch, 'base64url')),
      issuedAt: used.map(({ issuedAt }) => new Date(issuedAt)),
      count: used.length,
      deadline: this.deadline().databaseTime,
    };
    const rows = await queryRows(this.database, this.sql.confirm, values, { timeout });
    return {
      skipped: rows.filter(({ skipped }) => skipped).map(({ id }) => id),
      stolen: rows.flatMap(({ id, user_id }) => (user_id === null ? [] : [{ sessionId: id, userId: user_id }])),
      forks: rows.filter(({ fork, user_id }) => fork && user_id === null).map(({ id }) => id),
    };
  }

  private get sql() {
    return this.database.statements(this.buildStatements);
  }

  private readonly buildStatements = (tables: SessionTables) => {
    const { session, binding, onTheft } = this.options;
    const settings = {
      leeway: session.leeway,
      idleLifetime: session.idleLifetime,
      isIpBound: binding.ip !== 'off',
      userAgent: userAgentSettings(this.options),
      reportsForks: revokesUser(onTheft, 'fork'),
    };
    return { ...buildRotationStatements(tables, settings), ...buildKeyBindingStatements(tables, settings) };
  };
}
