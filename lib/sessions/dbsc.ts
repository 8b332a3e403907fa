import { Injectable } from '@nestjs/common';
import { clientOf } from '../common/client-address.js';
import type { SessionExchange } from '../http/exchange.js';
import type { KeyAnswer } from '../http/key-route.js';
import { RequestSession } from '../http/request-session.js';
import { SessionHttp } from '../http/session-http.js';
import type { SessionKey } from '../rules/session-key.js';
import {
  KeyProofInvalidError,
  SessionError,
  SessionExpiredError,
  SessionStoreUnavailableError,
} from '../session.errors.js';
import type { Deadline } from '../store/database-clock.js';
import { CASE_LETTERS, caseOfLetter } from '../store/rotation-cases.js';
import { type KeyProofRequest, type ObservedSession, type ProvedRow, RotationStore } from '../store/rotation.store.js';
import { Announcements } from '../revocation/announcements.js';
import { Admission } from './admission.js';
import { ClaimsHook } from './claims-hook.js';
import { requireRefreshable } from './refreshable.js';
import { SessionTokens } from './session-tokens.js';

/** How often a refresh starts again when the row changes between reading it and acting on it. */
const MAX_ATTEMPTS = 3;

/**
 * Sessions that browsers bind to a key (DBSC), at `POST /session/key`.
 *
 * | the request | answer |
 * |---|---|
 * | registers a key for its session, which has none | 200: instructions, the access cookie; the refresh cookie is cleared |
 * | names a session, without a proof or with one of an old challenge | 403: the challenge to sign |
 * | names a session, with a proof of its key | 204: the access cookie |
 * | is of a session that has ended, or proves another key | 401; the browser forgets the session |
 * | comes while the database is away | 503; the browser keeps the session |
 */
@Injectable()
export class DbscSessions {
  constructor(
    private readonly http: SessionHttp,
    private readonly requestSession: RequestSession,
    private readonly store: RotationStore,
    private readonly tokens: SessionTokens,
    private readonly claimsHook: ClaimsHook,
    private readonly announcements: Announcements,
    private readonly admission: Admission,
  ) {}

  /** @throws SessionError that says why the request is refused */
  answer(exchange: SessionExchange): Promise<KeyAnswer> {
    return this.http.dbsc!.namesSession(exchange) ? this.refresh(exchange) : this.register(exchange);
  }

  private async register(exchange: SessionExchange): Promise<KeyAnswer> {
    const dbsc = this.http.dbsc!;
    const { session, key, purpose } = dbsc.readRegistration(exchange);
    const { sessionId } = session;
    // A script can read the challenge of its login and send it elsewhere, but no cookie. After a navigation from another
    // site the browser sends no cookies, and no script has the challenge.
    if (purpose === 'script' && !(await this.hasCookieOf(exchange, sessionId))) {
      throw new KeyProofInvalidError('A key is registered with a cookie of its session').about(sessionId);
    }
    const deadline = this.store.deadline().databaseTime;
    const row = await this.admission.load.run(() => {
      this.admission.requireTimely(exchange);
      return this.store.offerKey({ sessionId, thumbprint: key.thumbprint, deadline });
    });
    // The tokens of the login remain: they are not bound.
    if (!row) throw new KeyProofInvalidError('The session has ended, or has another key').about(sessionId);
    await this.tokens.issueBound(row, { ...key, isNew: true }, exchange);
    this.http.cookies.clearRefresh(exchange);
    const identifier = dbsc.identifierOf(session);
    dbsc.challengeNext(exchange, session, identifier);
    return { status: 200, body: dbsc.instructions(identifier) };
  }

  private async hasCookieOf(exchange: SessionExchange, sessionId: string): Promise<boolean> {
    const incoming = this.http.readRefreshCookies(exchange);
    return (await this.requestSession.find(exchange, incoming)).sessionId === sessionId;
  }

  private async refresh(exchange: SessionExchange): Promise<KeyAnswer> {
    const dbsc = this.http.dbsc!;
    const deadline = this.store.deadline();
    const { session, identifier, key } = dbsc.readRefresh(exchange);
    if (!key) {
      dbsc.challengeNext(exchange, session, identifier);
      return { status: 403 };
    }
    try {
      await this.admission.load.run(() => this.prove(exchange, session.sessionId, key, deadline));
    } catch (error) {
      throw error instanceof SessionError ? error.about(session.sessionId) : error;
    }
    dbsc.challengeNext(exchange, session, identifier);
    return { status: 204 };
  }

  private async prove(
    exchange: SessionExchange,
    sessionId: string,
    key: SessionKey,
    deadline: Deadline,
  ): Promise<void> {
    const request: KeyProofRequest = {
      sessionId,
      thumbprint: key.thumbprint,
      generation: undefined,
      hash: undefined,
      ...clientOf(exchange),
      deadline: deadline.databaseTime,
    };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      this.admission.requireTimely(exchange);
      const row = await this.store.prove(request);
      if (row) return this.issue(row, key, exchange);
      this.admission.requireTimely(exchange);
      this.explain(await this.store.readForRotation(request), request, deadline);
    }
    throw new SessionStoreUnavailableError('The session is being refreshed by too many requests at once: try again');
  }

  private async issue(row: ProvedRow, key: SessionKey, exchange: SessionExchange): Promise<void> {
    const current = this.claimsHook.isUsed ? await this.claimsHook.apply(row, 'cookie') : row;
    await this.tokens.issueBound(current, key, exchange);
    const session = { sessionId: row.id, userId: row.user_id };
    // Where the browser proves the key before any page uses the cookie of the registration.
    if (row.last_case === CASE_LETTERS['first-proof']) {
      this.announcements.committed(undefined, { event: { type: 'session.bound', ...session, kind: 'dbsc' } });
    }
    this.announcements.committed(undefined, {
      event: { type: 'session.refreshed', ...session, case: caseOfLetter(row.last_case) },
    });
  }

  /**
   * Says why the statement has not accepted the proof. Returns when the row has changed meanwhile, or was locked.
   *
   * @throws SessionError
   */
  private explain(observed: ObservedSession | undefined, request: KeyProofRequest, deadline: Deadline): void {
    if (!observed) throw new SessionExpiredError();
    requireRefreshable(request.sessionId, observed, this.announcements);
    if ((observed.state.key ?? observed.offeredKey) !== request.thumbprint.toString('hex')) {
      throw new KeyProofInvalidError();
    }
    if (observed.late && deadline.hasPassed) {
      throw new SessionStoreUnavailableError('The request took too long: try again; repeating is safe');
    }
  }
}
