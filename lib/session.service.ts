import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { AccessTokenAuthenticator } from './tokens/access-token-authenticator.js';
import { type SessionError, SessionKeyRequiredError } from './session.errors.js';
import type { SessionEvent } from './session.events.js';
import type {
  Actor,
  ImpersonateOptions,
  ListOptions,
  LogInOptions,
  LogOutOptions,
  RefreshRequest,
  TransactionOption,
} from './session.interfaces.js';
import {
  type CleanUpResult,
  type Device,
  type IssuedTokens,
  type SessionClaims,
  type SessionData,
  type SessionExport,
  type SessionStatus,
  type UserSession,
} from './session.types.js';
import { SessionRevoker } from './sessions/log-out.js';
import { checkReason, checkUserId } from './sessions/input-checks.js';
import { SessionImpersonator } from './sessions/impersonation.js';
import { SessionIssuer } from './sessions/log-in.js';
import { SessionRefresher } from './sessions/refresh.js';
import { SessionExpiryWatcher } from './sessions/session-expiry-watcher.js';
import { SessionMaintenance } from './sessions/maintenance.js';
import { SessionRecords } from './sessions/session-records.js';
import { SessionExchange } from './http/exchange.js';

/** Logs users in and out. Applications inject this class. */
@Injectable()
export class SessionService {
  /**
   * What happens to sessions and keys. Each event is delivered in a try/catch of its own: a subscriber that fails is
   * logged, and the others still get the event.
   */
  readonly events: Observable<SessionEvent>;

  /** @internal Nest makes it. */
  constructor(
    private readonly issuer: SessionIssuer,
    private readonly impersonator: SessionImpersonator,
    private readonly refresher: SessionRefresher,
    private readonly revoker: SessionRevoker,
    private readonly accessTokens: AccessTokenAuthenticator,
    private readonly records: SessionRecords,
    private readonly watcher: SessionExpiryWatcher,
    private readonly maintenance: SessionMaintenance,
  ) {
    this.events = watcher.events.observable;
  }

  /**
   * Begins a session and issues its tokens: as cookies on the exchange's response, or in the answer. The session that
   * came with the request ends. One statement, and one more where a `claims` hook changes the claims.
   *
   * @param userId 1 to 255 characters, kept exactly
   * @throws SessionUsageError for a mistake in the call, InvalidRequestError for a text that cannot be kept; nothing was
   * written
   * @throws CsrfRejectedError in cookie mode, for a request from a page of another site
   * @throws SessionStoreUnavailableError
   */
  logIn(userId: string, options: LogInOptions = {}): Promise<IssuedTokens> {
    return this.issuer.logIn(userId, options);
  }

  /**
   * Exchanges a refresh token for a new access token and, outside the leeway window, a new refresh token. The answer
   * takes the form in which the token came. One statement.
   *
   * @throws RefreshTokenInvalidError, RefreshTokenUnknownError, SessionExpiredError, SessionRevokedError: log in
   * @throws TokenTheftDetectedError when two parties hold copies of the token; the session has ended
   * @throws CsrfRejectedError, SessionMissingError, SessionStoreUnavailableError
   */
  refresh(source: SessionExchange | RefreshRequest): Promise<IssuedTokens> {
    return this.refresher.refresh(source);
  }

  /**
   * Renews the login of a session whose user has just proved again who they are: a new session with the same claims,
   * data and label takes its place. Two statements; the second one ends the session and copies it as it is at that
   * moment.
   *
   * @throws SessionRevokedError when there is no such live session of that user
   * @throws NotWhileImpersonatingError for an impersonation
   */
  reauthenticate(session: Pick<UserSession, 'id' | 'userId'>, options: LogInOptions = {}): Promise<IssuedTokens> {
    return this.issuer.reauthenticate(session, options);
  }

  /**
   * Begins a session in which the actor acts as another user, for support. Its tokens name the actor (`act`, RFC 8693,
   * section 4.1; `session.actor`), it ends with the actor's session and at the end of `lifetime`, and it counts as no
   * recent login of its own. The actor's session stays; in cookies its tokens make way for the new ones. One statement,
   * and one more where a `claims` hook changes the claims.
   *
   * Who may impersonate whom is for the application to decide: put a guard before the route.
   *
   * @param actor the session of the one who acts, as `@CurrentSession()` gives it
   * @throws NotWhileImpersonatingError where that is an impersonation itself
   * @throws InvalidRequestError for the actor's own user id
   * @throws SessionRevokedError where the actor's session has ended
   * @throws SessionUsageError, SessionStoreUnavailableError
   */
  impersonate(actor: Actor, userId: string, options: ImpersonateOptions = {}): Promise<IssuedTokens> {
    return this.impersonator.begin(actor, userId, options);
  }

  /**
   * Ends the impersonation that a guarded request brings, and gives the actor's own session back: as cookies, or in the
   * answer to a bearer client, in the place of the tokens that it had. One statement.
   *
   * @throws InvalidRequestError for a session that is no impersonation
   * @throws SessionRevokedError where it or the actor's session has ended
   * @throws SessionUsageError for a route without `SessionGuard`
   */
  endImpersonation(exchange: SessionExchange): Promise<IssuedTokens> {
    return this.impersonator.end(exchange);
  }

  /**
   * Ends one session: that of the id, or the one that a request brings. Its access tokens are refused at once.
   * One statement.
   *
   * @returns false when there was no live session to end
   */
  async logOut(session: string | SessionExchange, options: LogOutOptions = {}): Promise<boolean> {
    const { userId, reason = 'logout' } = options;
    checkReason(reason);
    if (session instanceof SessionExchange) return this.revoker.logOut(session, reason);
    return (await this.revoker.logOutSelected({ sessionId: session, ownedBy: userId }, reason, options)) > 0;
  }

  /** Ends the user's sessions but this one. Returns how many there were. One statement. */
  async logOutOthers(session: Pick<UserSession, 'id' | 'userId'>, options: LogOutOptions = {}): Promise<number> {
    const { reason = 'logout-others' } = options;
    checkReason(reason);
    return this.revoker.logOutSelected({ userId: session.userId, except: session.id }, reason, options);
  }

  /** Ends all sessions of the user. Returns how many there were. One statement. */
  async logOutAll(userId: string, options: LogOutOptions = {}): Promise<number> {
    const { reason = 'logout-all' } = options;
    checkUserId(userId);
    checkReason(reason);
    return this.revoker.logOutSelected({ userId }, reason, options);
  }

  /**
   * What is stored of the user's sessions, also of those that ended within a day, the newest first. One statement. It
   * holds no token, no secret and no hash.
   */
  export(userId: string): Promise<SessionExport[]> {
    return this.records.export(userId);
  }

  /**
   * Ends all sessions of the user, and erases what their rows tell of the user: address, user agent, label, claims,
   * data and key. The rows remain for a day with the user id and times alone, so that late tokens are refused. Returns
   * how many sessions were ended. One statement.
   */
  async erase(userId: string, options: Omit<LogOutOptions, 'userId'> = {}): Promise<number> {
    const { reason = 'erased' } = options;
    checkUserId(userId);
    checkReason(reason);
    return this.revoker.erase(userId, reason, options);
  }

  /**
   * Asks for a login within the option `session.recentLogin`, as the mounted routes do before they end other sessions.
   * Call it in routes of your own that do so. Without the option any login is recent.
   *
   * @throws InsufficientUserAuthenticationError
   */
  requireRecentLogin(session: UserSession): void {
    this.revoker.requireRecentLogin(session);
  }

  /**
   * The user's live sessions, the latest seen first; those of others who impersonate the user only where they are asked
   * for. One statement.
   */
  list(userId: string, options: ListOptions = {}): Promise<Device[]> {
    return this.records.list(userId, options);
  }

  /** A live session as the database knows it, or null. */
  get(sessionId: string): Promise<UserSession | null> {
    return this.records.get(sessionId);
  }

  /**
   * The session of an access token that counts at this moment. No statement.
   *
   * @throws AccessTokenInvalidError, AccessTokenExpiredError, SessionRevokedError, TokenTheftDetectedError
   * @throws SessionKeyRequiredError for a token that needs a proof (DPoP), which only a request can bring
   */
  async verify(accessToken: string): Promise<UserSession> {
    const session = await this.accessTokens.authenticate(accessToken);
    // The token alone is no proof that its bearer holds the key.
    if (session.boundBy === 'dpop') throw new SessionKeyRequiredError().about(session.id);
    return session;
  }

  /**
   * For a socket or an event stream, behind which no guard runs again: emits once, and completes, when the session no
   * longer counts. An end of the session is told at once; the rest (an invalidation of access tokens, changed claims, a
   * distrusted key, expiry, a database that cannot be asked) within a third of `revocation.maxStaleness`. Also when the
   * application shuts down, which open streams would keep from it.
   *
   * `events$.pipe(takeUntil(sessions.endOf(session)))`
   *
   * @param session as `@CurrentSession()` or `verify` gives it
   */
  endOf(session: UserSession): Observable<SessionError> {
    return this.watcher.endOf(session);
  }

  /**
   * The data that `logIn` or `setData` stored with the session on the server; null without any.
   *
   * @throws SessionRevokedError when there is no such live session
   */
  getData(sessionId: string, { manager }: TransactionOption = {}): Promise<SessionData | null> {
    return this.records.getData(sessionId, manager);
  }

  /**
   * Replaces the data that is stored with the session on the server.
   *
   * @param data any JSON value
   * @throws SessionUsageError for what is not JSON
   * @throws SessionRevokedError when there is no such live session
   */
  setData(sessionId: string, data: SessionData, { manager }: TransactionOption = {}): Promise<void> {
    return this.records.setData(sessionId, data, manager);
  }

  /**
   * Replaces the claims of a session, at once: access tokens with the former ones are refused as expired, and
   * refreshing gives new ones. Where there is a `claims` hook, its answer counts at the next refresh.
   *
   * @throws SessionUsageError for claims that cannot be kept
   * @throws SessionRevokedError when there is no such live session
   */
  setClaims(sessionId: string, claims: SessionClaims, { manager }: TransactionOption = {}): Promise<void> {
    return this.records.setClaims(sessionId, claims, manager);
  }

  /**
   * Takes back the user's tokens of one type. Access tokens are refused at once by every process and clients refresh;
   * without refresh tokens the sessions end when their access tokens do. A refresh that runs at the very moment may
   * succeed once more; to lock a user out end the sessions.
   */
  async invalidateTokens(
    userId: string,
    type: 'access' | 'refresh',
    { manager }: TransactionOption = {},
  ): Promise<void> {
    checkUserId(userId);
    await this.revoker.invalidateTokens(userId, type, manager);
  }

  /** Removes what ended more than a day ago; also runs by itself every hour. `dryRun` only counts. */
  cleanUp({ dryRun = false }: { dryRun?: boolean } = {}): Promise<CleanUpResult> {
    return this.maintenance.cleanUp(dryRun);
  }

  /**
   * Makes a new signing key out of turn. It signs after `keys.publishAhead`, so that services which cache
   * the public keys know it by then.
   *
   * `distrust` is for a stolen key: tokens signed by any present key are refused at once, the new key signs at once, and
   * clients refresh. No user has to log in again.
   */
  rotateKeys({ distrust = false }: { distrust?: boolean } = {}): Promise<void> {
    return this.maintenance.rotateKeys(distrust);
  }

  /** Whether sessions work. For @nestjs/terminus there is `SessionHealthIndicator`. */
  status(): Promise<SessionStatus> {
    return this.maintenance.status();
  }
}
