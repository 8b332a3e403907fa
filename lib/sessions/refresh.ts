import { Injectable, Logger } from '@nestjs/common';
import { clientFrom, clientOf, storedAddress } from '../common/client-address.js';
import { wasSkipped } from '../http/dbsc.js';
import { SessionExchange } from '../http/exchange.js';
import { RequestSession } from '../http/request-session.js';
import { type IncomingRefreshTokens, SessionHttp } from '../http/session-http.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { hashOf, MAX_GENERATION, type RefreshToken } from '../rules/refresh-token.js';
import { decideRotation, isReplay, isTheft, ROTATION_CASES, type RotationCase } from '../rules/rotation.js';
import type { SessionKey } from '../rules/session-key.js';
import { revokesUser, type TheftClass } from '../rules/theft.js';
import {
  KeyProofInvalidError,
  RefreshTokenInvalidError,
  RefreshTokenUnknownError,
  SessionError,
  SessionExpiredError,
  SessionKeyRequiredError,
  SessionMissingError,
  SessionStoreUnavailableError,
  TokenTheftDetectedError,
} from '../session.errors.js';
import type { RefreshRequest } from '../session.interfaces.js';
import type { IssuedTokens } from '../session.types.js';
import type { Deadline } from '../store/database-clock.js';
import { caseOfLetter } from '../store/rotation-cases.js';
import { type ObservedSession, type RotatedRow, type RotationRequest, RotationStore } from '../store/rotation.store.js';
import { Announcements } from '../revocation/announcements.js';
import { Admission } from './admission.js';
import { ClaimsHook } from './claims-hook.js';
import { checkClient } from './input-checks.js';
import { requireRefreshable } from './refreshable.js';
import { type HashedToken, type Recipient, SessionTokens, type SuccessorToken } from './session-tokens.js';

/** How often a refresh starts again when the row changes between reading it and acting on it. */
const MAX_ATTEMPTS = 3;

/** An authentic refresh token and the client that sent it. */
interface IncomingToken {
  readonly token: RefreshToken;
  readonly recipient: Recipient;
  /** The access token that came with it, in whatever form it came. */
  readonly accessToken: () => unknown;
}

/**
 * Refreshes sessions by the rotation protocol (docs/protocol.md).
 *
 * | the refresh token | answer |
 * |---|---|
 * | is accepted by the rotation statement | tokens, after one statement |
 * | is the parent of the current one, within the leeway | the current tokens again |
 * | comes with a proof of the key that its session is bound to | the same refresh token, after one statement |
 * | is of a bound session, and comes without a proof or with one of another key | `session_key_required`, `key_proof_invalid` |
 * | was replaced a moment ago, at the end of an impersonation | `session_store_unavailable`; nothing changes |
 * | was used by two parties, or by another client than it is bound to | `token_theft_detected`; the session ends |
 * | is of a session that has ended or expired | `session_revoked`, `session_expired` |
 * | is of a generation that the database has lost, with the access token that was issued with it | the same refresh token |
 * | is of such a generation, without that access token | `refresh_token_unknown` |
 * | is not ours | `refresh_token_invalid` |
 * | comes too late: its client is gone, or this process was suspended | `session_store_unavailable`; nothing changes |
 */
@Injectable()
export class SessionRefresher {
  private readonly logger = new Logger('SessionRotation');

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly http: SessionHttp,
    private readonly requestSession: RequestSession,
    private readonly store: RotationStore,
    private readonly tokens: SessionTokens,
    private readonly claimsHook: ClaimsHook,
    private readonly announcements: Announcements,
    private readonly admission: Admission,
  ) {}

  /** @throws SessionError that says why the refresh is refused */
  async refresh(source: SessionExchange | RefreshRequest): Promise<IssuedTokens> {
    const exchange = source instanceof SessionExchange ? source : undefined;
    const incoming = exchange && this.http.readRefreshTokens(exchange);
    // From when the request came: it may wait for its turn.
    const deadline = this.store.deadline();
    try {
      return await this.admission.load.run(async () => {
        if (source instanceof SessionExchange) {
          return (
            (await this.boundTokens(source, incoming)) ?? this.rotate(await this.readToken(source, incoming), deadline)
          );
        }
        return this.rotate(this.openToken(source), deadline);
      });
    } catch (error) {
      this.http.refuse(error, exchange, incoming?.transport);
      throw error;
    }
  }

  /** For pages that refresh by themselves where the browser does it by the key of the session (DBSC). */
  private async boundTokens(
    exchange: SessionExchange,
    incoming: IncomingRefreshTokens | undefined,
  ): Promise<IssuedTokens | undefined> {
    if (incoming) return undefined;
    this.http.csrf.checkOrigin(exchange);
    const tokens = await this.requestSession.boundTokens(exchange);
    if (!tokens && wasSkipped(exchange)) throw new SessionStoreUnavailableError();
    return tokens;
  }

  private async readToken(
    exchange: SessionExchange,
    incoming: IncomingRefreshTokens | undefined,
  ): Promise<IncomingToken> {
    // A token in the body is answered in the body: no cookie counts, and none is set.
    if (incoming?.transport !== 'bearer') this.http.csrf.checkOrigin(exchange);
    if (!incoming) {
      this.requestSession.refuseMisnamedToken(exchange);
      throw new SessionMissingError('No refresh token came with the request: log in');
    }
    const { transport } = incoming;
    const token = await this.requestSession.refreshToken(exchange, incoming);
    if (!token) throw new RefreshTokenInvalidError();
    if (transport === 'cookie') this.http.csrf.checkToken(exchange, token.sessionId, token.issuer);
    const key = transport === 'bearer' ? this.readKey(exchange, token) : undefined;
    const recipient = { exchange, transport, client: clientOf(exchange), key };
    return { token, recipient, accessToken: () => this.requestSession.accompanying(exchange) };
  }

  /** After the token has shown that it is ours: a signature takes longer. */
  private readKey(exchange: SessionExchange, { sessionId }: RefreshToken): SessionKey | undefined {
    try {
      return this.http.dpop.readKey(exchange);
    } catch (error) {
      throw error instanceof SessionError ? error.about(sessionId) : error;
    }
  }

  private openToken({ refreshToken, accessToken, ip, userAgent }: RefreshRequest): IncomingToken {
    const token = typeof refreshToken === 'string' ? this.requestSession.open(refreshToken) : undefined;
    if (!token) throw new RefreshTokenInvalidError();
    const recipient = { transport: 'bearer', client: clientFrom({ ip, userAgent }) } as const;
    return { token, recipient, accessToken: () => accessToken };
  }

  private async rotate(incoming: IncomingToken, deadline: Deadline): Promise<IssuedTokens> {
    const { token, recipient } = incoming;
    try {
      if (token.generation >= MAX_GENERATION) throw new SessionExpiredError();
      checkClient(recipient.client, this.options.binding, recipient.exchange !== undefined);
      // A client that sends proofs has a bound session, as a rule: that statement is tried first.
      let { key } = recipient;
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        const successor = this.tokens.newSuccessor(token);
        const request = this.requestOf(incoming, successor, deadline.databaseTime);
        this.admission.requireTimely(recipient.exchange);
        let row: RotatedRow | undefined;
        if (key) row = await this.store.prove({ ...request, thumbprint: key.thumbprint });
        else if (this.options.binding.key !== 'require') row = await this.store.rotate(request);
        if (!row) {
          this.admission.requireTimely(recipient.exchange);
          const observed = await this.observe(request);
          if (!observed.state.key) key = undefined;
          row = await this.lookAgain(incoming, request, observed, deadline, key);
        }
        if (row) {
          const answered = key === recipient.key ? incoming : { ...incoming, recipient: { ...recipient, key } };
          return await this.answer(row, request, answered, successor);
        }
      }
      throw new SessionStoreUnavailableError('The session is being refreshed by too many requests at once: try again');
    } catch (error) {
      throw error instanceof SessionError ? error.about(token.sessionId) : error;
    }
  }

  private async observe(request: RotationRequest): Promise<ObservedSession> {
    const observed = await this.store.readForRotation(request);
    // An authentic tag, but no row: it has been cleaned up.
    if (!observed) throw new SessionExpiredError();
    return observed;
  }

  /** Undefined when the row has changed meanwhile, so that the refresh must start again. */
  private async lookAgain(
    incoming: IncomingToken,
    request: RotationRequest,
    observed: ObservedSession,
    deadline: Deadline,
    key: SessionKey | undefined,
  ): Promise<RotatedRow | undefined> {
    requireRefreshable(request.sessionId, observed, this.announcements);
    const { generation, hash } = request;
    const isBeyond = generation > observed.state.generation;
    const name = decideRotation(observed.state, {
      generation,
      hash: hash.toString('hex'),
      key: key?.thumbprint.toString('hex'),
      issue: isBeyond
        ? await this.requestSession.issueOf(incoming.accessToken(), incoming.token, hash, observed.lastSeenAt)
        : undefined,
    });
    // Before all that may be a theft: without the key a copy is of no use.
    this.requireKey(name, observed);
    if (observed.late) {
      // The database's clock was set.
      if (!deadline.hasPassed) return undefined;
      // Its client has given it up and may have refreshed elsewhere since.
      throw new SessionStoreUnavailableError('The request took too long: try again; repeating is safe');
    }
    if (observed.ofAnotherClient && !observed.state.key) return this.endStolen(request, observed, 'binding');
    if (isTheft(name)) return this.endStolen(request, observed, name);
    // The new token has been delivered: a client that has it by now refreshes with it, and its cookies are kept.
    if (name === 'superseded') {
      throw new SessionStoreUnavailableError('The session has another refresh token by now: try again with that');
    }
    if (name === 'late-parent') return this.store.answerLateParent(request, observed);
    if (name === 'recovered') return this.recover(request, observed);
    if (name === 'unknown') {
      this.announcements.lostCommit('session.lost', request, observed);
      throw new RefreshTokenUnknownError();
    }
    return undefined;
  }

  private async recover(request: RotationRequest, observed: ObservedSession): Promise<RotatedRow | undefined> {
    const row = await this.store.recover(request, observed);
    if (row) this.announcements.lostCommit('session.recovered', request, observed);
    return row;
  }

  /** @throws SessionKeyRequiredError, KeyProofInvalidError; the session lives on */
  private requireKey(name: RotationCase, { state }: ObservedSession): void {
    // Cookies are cleared: without them a browser that has the key proves it.
    if (name === 'key-required') throw new SessionKeyRequiredError().endingSession();
    if (name === 'other-key') throw new KeyProofInvalidError();
    // The session began without a key, and the application demands one: its tokens are of no use any more.
    if (!state.key && this.options.binding.key === 'require') throw new SessionKeyRequiredError().endingSession();
  }

  private async endStolen(
    request: RotationRequest,
    observed: ObservedSession,
    theftClass: TheftClass,
  ): Promise<undefined> {
    const allOfUser = revokesUser(this.options.onTheft, theftClass);
    const ended = await this.store.endStolen(request, observed, theftClass, allOfUser);
    if (ended.length === 0) return undefined;
    this.announcements.theft(request.sessionId, observed.userId, theftClass, ended);
    throw new TokenTheftDetectedError(theftClass);
  }

  private async answer(
    row: RotatedRow,
    request: RotationRequest,
    { token, recipient }: IncomingToken,
    successor: SuccessorToken,
  ): Promise<IssuedTokens> {
    const name = caseOfLetter(row.last_case);
    this.logger.debug(`session ${row.id}: ${name}, generation ${token.generation}`);
    const current = this.claimsHook.isUsed ? await this.claimsHook.apply(row, recipient.transport) : row;
    const next = this.nextToken(name, row, { token, hash: request.hash }, successor);
    const issued = await this.tokens.issue(current, next, next.token !== token, recipient);
    this.announcements.committed(undefined, {
      event: {
        type: isReplay(name) ? 'session.replayed' : 'session.refreshed',
        sessionId: row.id,
        userId: row.user_id,
        case: name,
      },
    });
    return issued;
  }

  private nextToken(name: RotationCase, row: RotatedRow, given: HashedToken, successor: SuccessorToken): HashedToken {
    switch (ROTATION_CASES[name]) {
      case 'new-successor':
        return successor;
      case 'same-successor':
      case 'current':
        return this.tokens.knownSuccessor(given.token, row.child_salt, row.child_hash);
      default:
        return given;
    }
  }

  private requestOf(
    { token, recipient }: IncomingToken,
    { salt, hash }: SuccessorToken,
    deadline: number,
  ): RotationRequest {
    const { sessionId, generation, secret } = token;
    const { userAgent } = recipient.client;
    const ip = storedAddress(recipient.client.ip, this.options.devices.ip);
    return { sessionId, generation, hash: hashOf(secret), candidate: { hash, salt }, ip, userAgent, deadline };
  }
}
