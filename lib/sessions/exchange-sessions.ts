import { Injectable } from '@nestjs/common';
import { clientOf } from '../common/client-address.js';
import type { SessionExchange } from '../http/exchange.js';
import { RequestSession } from '../http/request-session.js';
import { SessionHttp } from '../http/session-http.js';
import { RefreshTokenInvalidError, SessionMissingError } from '../session.errors.js';
import type { IssuedTokens } from '../session.types.js';
import { SessionRevoker } from './log-out.js';
import { SessionRefresher } from './refresh.js';

/** Refreshing and logging out the session that a request brings. */
@Injectable()
export class ExchangeSessions {
  constructor(
    private readonly http: SessionHttp,
    private readonly requestSession: RequestSession,
    private readonly refresher: SessionRefresher,
    private readonly revoker: SessionRevoker,
  ) {}

  async refresh(exchange: SessionExchange): Promise<IssuedTokens> {
    const { csrf } = this.http;
    const incoming = this.http.readRefreshTokens(exchange);
    try {
      csrf.checkOrigin(exchange);
      if (!incoming) throw new SessionMissingError('No refresh token came with the request: log in');
      const token = await this.requestSession.refreshToken(exchange, incoming);
      if (!token) throw new RefreshTokenInvalidError();
      if (incoming.transport === 'cookie') csrf.checkToken(exchange, token.sessionId);
      return await this.refresher.refresh(token, { exchange, transport: incoming.transport, ...clientOf(exchange) });
    } catch (error) {
      this.http.refuse(error, exchange, incoming?.transport);
      throw error;
    }
  }

  /** Ends the session if there is one, and clears the cookies in any case: the answer does not tell which. */
  async logOut(exchange: SessionExchange, reason: string): Promise<boolean> {
    const { csrf } = this.http;
    try {
      // With Authorization no cookie counts and none is cleared, so another site's page could achieve nothing.
      const byCookie = !this.http.usesAuthorization(exchange);
      if (byCookie) csrf.checkOrigin(exchange);
      const sessionId = await this.requestSession.sessionId(exchange, this.http.readRefreshTokens(exchange));
      // Without a session there is no token either: as at a login, the origin counts.
      if (byCookie && sessionId === undefined) csrf.checkLogInOrigin(exchange);
      if (byCookie && sessionId !== undefined) csrf.checkToken(exchange, sessionId);
      const ended = sessionId === undefined ? 0 : await this.revoker.revoke({ sessionId }, reason);
      this.http.clearCookies(exchange);
      return ended > 0;
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }
}
