import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isUuid } from '../common/uuid.js';
import type { SessionExchange } from '../http/exchange.js';
import { RequestSession } from '../http/request-session.js';
import { SessionAuthenticator } from '../http/session-authenticator.js';
import { type IncomingRefreshTokens, SessionHttp } from '../http/session-http.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { LogOutOptions } from '../session.interfaces.js';
import type { UserSession } from '../session.types.js';
import { PersonalDataStore } from '../store/personal-data.store.js';
import { RevocationStore, type SessionSelection } from '../store/revocation.store.js';
import { Announcements } from '../revocation/announcements.js';

/** Revokes sessions and tokens. */
@Injectable()
export class SessionRevoker {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly http: SessionHttp,
    private readonly requestSession: RequestSession,
    private readonly store: RevocationStore,
    private readonly personalData: PersonalDataStore,
    private readonly announcements: Announcements,
    private readonly authenticator: SessionAuthenticator,
  ) {}

  /**
   * Logs out the session that a request brings.
   *
   * | the request has | checked | ends | cookies |
   * |---|---|---|---|
   * | `Authorization` | – | the session of its refresh token, else of its access token | kept |
   * | a refresh token in the body, no session cookies | – | the session of that token | kept |
   * | cookies of a session | origin and CSRF token, as option `csrf` says | that session | cleared |
   * | no session | origin | nothing | cleared |
   *
   * @returns whether a session was ended; the route does not tell
   */
  async logOut(exchange: SessionExchange, reason: string): Promise<boolean> {
    const { csrf } = this.http;
    try {
      const incoming = this.http.readRefreshTokens(exchange);
      const byCookie = this.usesCookies(exchange, incoming);
      if (byCookie) csrf.checkOrigin(exchange);
      const { sessionId, issuer } = await this.requestSession.find(exchange, incoming);
      if (sessionId === undefined) this.requestSession.refuseMisnamedToken(exchange);
      // Without a session there is no CSRF token either: the origin counts in every mode, as at a login.
      if (byCookie && sessionId === undefined) csrf.checkLogInOrigin(exchange);
      if (byCookie && sessionId !== undefined) csrf.checkToken(exchange, sessionId, issuer);
      const ended = sessionId === undefined ? 0 : await this.revoke({ sessionId }, reason);
      if (byCookie) this.http.clearCookies(exchange);
      return ended > 0;
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  /** Whether cookies count. If none does none is cleared either, so a page of another site gains nothing. */
  private usesCookies(exchange: SessionExchange, incoming: IncomingRefreshTokens | undefined): boolean {
    if (this.http.usesAuthorization(exchange)) return false;
    return incoming?.transport !== 'bearer' || this.http.hasCookies(exchange);
  }

  /** @throws InsufficientUserAuthenticationError for a login that is older than option `session.recentLogin` allows */
  requireRecentLogin(session: UserSession): void {
    const { recentLogin } = this.options.session;
    if (recentLogin !== undefined) this.authenticator.requireRecentLogin(session, recentLogin);
  }

  /** Logs out sessions that the application selects. Where their own cookies are on the exchange they are cleared. */
  async logOutSelected(
    selection: SessionSelection,
    reason: string,
    { exchange, manager }: LogOutOptions,
  ): Promise<number> {
    try {
      const ended = await this.revoke(selection, reason, manager);
      const keepsOne = 'except' in selection;
      if (exchange && !keepsOne) this.http.clearCookies(exchange);
      return ended;
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  /** Returns how many sessions were ended. Their access tokens are refused once that is committed. */
  async revoke(selection: SessionSelection, reason: string, manager?: EntityManager): Promise<number> {
    if ('sessionId' in selection && !isUuid(selection.sessionId)) return 0;
    const ids = await this.store.end(selection, reason, manager);
    const one = 'sessionId' in selection && selection.ownedBy === undefined ? selection.sessionId : undefined;
    this.announcements.committed(manager, {
      sessions: ids.map(id => ({ id, reason })),
      notLive: one !== undefined && ids.length === 0 ? { id: one, reason } : undefined,
    });
    return ids.length;
  }

  /** Ends the sessions of a user and erases what is stored about them. Returns how many sessions were ended. */
  async erase(userId: string, reason: string, { exchange, manager }: LogOutOptions): Promise<number> {
    try {
      const ids = await this.personalData.erase(userId, reason, manager);
      this.announcements.committed(manager, { sessions: ids.map(id => ({ id, reason })) });
      if (exchange) this.http.clearCookies(exchange);
      return ids.length;
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  /** Invalidates all tokens of one type that a user has, by changing one row (F28). */
  async invalidateTokens(userId: string, type: 'access' | 'refresh', manager?: EntityManager): Promise<void> {
    const version = await this.store.invalidate(userId, type, manager);
    if (type === 'access') this.announcements.committed(manager, { users: [{ id: userId, version }] });
  }
}
