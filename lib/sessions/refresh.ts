import { Injectable, Logger } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import { AccessTokenSigner } from '../tokens/access-token-signer.js';
import { TokenBinding } from '../tokens/token-binding.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import {
  deriveSuccessor,
  encodeRefreshToken,
  hashOf,
  LAST_GENERATION,
  newSalt,
  type RefreshToken,
  SALT_BYTES,
} from '../rules/refresh-token.js';
import { decideRotation, isTheft, ROTATION_CASES, type RotationCase, type TheftClass } from '../rules/rotation.js';
import {
  RefreshTokenInvalidError,
  revokedError,
  SessionError,
  SessionExpiredError,
  SessionRevokedError,
  SessionStoreUnavailableError,
  theftReason,
  TokenTheftDetectedError,
} from '../session.errors.js';
import { randomBytes } from '../common/random.js';
import type { IssuedTokens, TokenTransport } from '../session.types.js';
import { type ObservedSession, type RotatedRow, type RotationRequest, RotationStore } from '../store/rotation.store.js';
import { SessionStore } from '../store/session.store.js';
import type { SessionExchange } from '../http/exchange.js';
import { Announcements } from './announcements.js';
import { ClaimsHook } from './claims-hook.js';
import { SessionHttp } from '../http/session-http.js';

/** How often a refresh starts again when the row changes between reading and acting on it. */
const ATTEMPTS = 3;

/** Cases in which the client asked for something that it had been given before. */
const REPLAYS: ReadonlySet<RotationCase> = new Set(['retry-in-window', 'retry-of-lost-response', 'late-parent']);

/** Where a refresh token came from, and how the answer goes back. */
export interface RefreshContext {
  readonly exchange?: SessionExchange;
  readonly transport: TokenTransport;
  readonly ip?: string;
  readonly userAgent?: string;
}

/** The successor that a refresh mints if its case asks for one. */
interface Candidate {
  readonly token: RefreshToken;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** The rotation protocol: one statement for a refresh, a second look for whatever that statement did not accept. */
@Injectable()
export class SessionRefresher {
  private readonly logger = new Logger('SessionRotation');

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: RotationStore,
    private readonly secrets: ServerSecrets,
    private readonly signer: AccessTokenSigner,
    private readonly binding: TokenBinding,
    private readonly http: SessionHttp,
    private readonly claimsHook: ClaimsHook,
    private readonly sessions: SessionStore,
    private readonly announcements: Announcements,
  ) {}

  /** @throws SessionError that says why the token is refused */
  async refresh(presented: RefreshToken, context: RefreshContext): Promise<IssuedTokens> {
    try {
      return await this.exchange(presented, context);
    } catch (error) {
      throw error instanceof SessionError ? error.about(presented.sessionId) : error;
    }
  }

  private async exchange(presented: RefreshToken, context: RefreshContext): Promise<IssuedTokens> {
    if (presented.generation >= LAST_GENERATION) throw new SessionExpiredError();
    this.binding.requireKnown(context, context.exchange !== undefined);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const candidate = this.mint(presented);
      const request = this.requestOf(presented, candidate, context);
      const row = (await this.store.rotate(request)) ?? (await this.lookAgain(request));
      if (row) return this.answer(await this.withClaims(row, context), presented, candidate, context);
    }
    throw new SessionStoreUnavailableError('The session is being refreshed by too many requests at once: try again');
  }

  /** The row with the claims that the application gives the user now. */
  private async withClaims(row: RotatedRow, { exchange, transport }: RefreshContext): Promise<RotatedRow> {
    const claims = await this.claimsHook.claimsFor({ userId: row.user_id, sessionId: row.id, claims: row.claims });
    if (isDeepStrictEqual(claims, row.claims)) return row;
    this.http.requireFit(this.signer.lengthWith(row.user_id, claims), exchange ? transport : 'bearer');
    await this.sessions.storeHookClaims(row.id, claims);
    return { ...row, claims };
  }

  private isOfAnotherClient({ bound, ip, userAgent }: RotationRequest, observed: ObservedSession): boolean {
    return (
      (bound.ip && (ip ?? null) !== observed.ip) || (bound.userAgent && (userAgent ?? null) !== observed.userAgent)
    );
  }

  /** Undefined when the row has changed meanwhile, so that the refresh must start again. */
  private async lookAgain(request: RotationRequest): Promise<RotatedRow | undefined> {
    const observed = await this.store.readForRotation(request.sessionId);
    // An authentic tag, but no row: it has been cleaned up.
    if (!observed) throw new SessionExpiredError();
    if (observed.revokedReason !== null) {
      this.announcements.committed(undefined, {
        notLive: { id: request.sessionId, reason: observed.revokedReason },
      });
      throw revokedError(observed.revokedReason);
    }
    if (observed.expired) throw new SessionExpiredError();
    if (observed.invalidated) throw new SessionRevokedError();
    if (this.isOfAnotherClient(request, observed)) return this.endStolen(request.sessionId, observed, 'binding');
    const name = decideRotation(observed.state, {
      generation: request.generation,
      hash: request.hash.toString('hex'),
    });
    if (isTheft(name)) return this.endStolen(request.sessionId, observed, name);
    if (name === 'late-parent') return this.store.answerLateParent(request, observed);
    if (name === 'unknown') {
      this.logger.debug(`session ${request.sessionId}: unknown`);
      throw new RefreshTokenInvalidError();
    }
    return undefined;
  }

  private async endStolen(sessionId: string, observed: ObservedSession, theftClass: TheftClass): Promise<undefined> {
    // What a crash between use and storage can cause in an honest client ends its own session only.
    const allOfUser = this.options.onTheft === 'revoke-user' && (theftClass === 'fork' || theftClass === 'stale');
    const ended = await this.store.endStolen(sessionId, observed, theftClass, allOfUser);
    if (ended.length === 0) return undefined;
    const reason = theftReason(theftClass);
    const { userId } = observed;
    this.announcements.committed(undefined, {
      sessions: ended.map(id => ({ id, reason })),
      event: { type: 'session.theft', sessionId, userId, class: theftClass, ended: ended.length },
    });
    this.logger.warn(
      `theft: ${theftClass}: session ${sessionId} was ended, and ${ended.length - 1} others of its user`,
    );
    throw new TokenTheftDetectedError(theftClass);
  }

  private async answer(
    row: RotatedRow,
    presented: RefreshToken,
    candidate: Candidate,
    { exchange, transport }: RefreshContext,
  ): Promise<IssuedTokens> {
    const name = row.last_case;
    this.logger.debug(`session ${row.id}: ${name}, generation ${presented.generation}`);
    const token = this.tokenFor(row, presented, candidate.token);
    const hash = token === candidate.token ? candidate.hash : hashOf(token.secret);
    const access = await this.signer.sign(row, { generation: token.generation, hash });
    this.announcements.committed(undefined, {
      event: {
        type: REPLAYS.has(name) ? 'session.replayed' : 'session.refreshed',
        sessionId: row.id,
        userId: row.user_id,
        case: name,
      },
    });
    const refreshToken = encodeRefreshToken(token, this.secrets.newest);
    return this.http.deliver({ access, refreshToken, isNew: token !== presented, exchange, transport });
  }

  private tokenFor(row: RotatedRow, presented: RefreshToken, candidate: RefreshToken): RefreshToken {
    switch (ROTATION_CASES[row.last_case]) {
      case 'new-successor':
        return candidate;
      case 'same-successor':
        return this.derive(presented, row.successor_salt, row.successor_hash);
      case 'current':
        return this.derive(presented, row.previous_salt, row.token_hash);
      default:
        return presented;
    }
  }

  private derive(parent: RefreshToken, salt: Buffer | null, hash: Buffer | null): RefreshToken {
    const child = salt && deriveSuccessor(parent, salt, this.secrets.accepted);
    if (child && hash?.equals(hashOf(child.secret))) return child;
    // Made by a process with another secret: after the window this one mints its own.
    this.logger.error(
      'a refresh token was derived under a secret that this process does not hold: write it into "secret"',
    );
    throw new SessionStoreUnavailableError();
  }

  private mint(presented: RefreshToken): Candidate {
    const { newest } = this.secrets;
    const salt = newSalt(newest, randomBytes(SALT_BYTES));
    const token = deriveSuccessor(presented, salt, [newest])!;
    return { salt, token, hash: hashOf(token.secret) };
  }

  private requestOf(
    presented: RefreshToken,
    { salt, hash }: Candidate,
    { ip, userAgent }: RefreshContext,
  ): RotationRequest {
    return {
      sessionId: presented.sessionId,
      generation: presented.generation,
      hash: hashOf(presented.secret),
      candidate: { hash, salt },
      leeway: this.options.session.leeway,
      idleLifetime: this.options.session.idleLifetime,
      ip,
      userAgent,
      bound: { ip: this.options.binding.ip !== 'off', userAgent: this.options.binding.userAgent !== 'off' },
    };
  }
}
