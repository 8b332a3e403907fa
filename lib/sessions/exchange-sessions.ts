import { Injectable } from '@nestjs/common';
import { CsrfTokens } from '../http/csrf-tokens.js';
import { RefreshTokenInvalidError, SessionError, SessionMissingError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import type { IssuedTokens, TokenTransport } from '../session.types.js';
import { clientAddress, clientUserAgent } from '../common/client-address.js';
import { Credentials } from '../http/credentials.js';
import { CsrfProtection } from '../http/csrf.js';
import type { SessionExchange } from '../http/exchange.js';
import { RefusalHeaders } from '../http/refusal-headers.js';
import { SessionCookies } from '../http/session-cookies.js';
import { RequestSession } from '../http/request-session.js';
import { SessionRevoker } from './log-out.js';
import { SessionRefresher } from './refresh.js';

/** Refreshing and logging out the session that a request brings with it. */
@Injectable()
export class ExchangeSessions {
  constructor(
    private readonly credentials: Credentials,
    private readonly csrf: CsrfProtection,
    private readonly csrfTokens: CsrfTokens,
    private readonly presented: RequestSession,
    private readonly refresher: SessionRefresher,
    private readonly revoker: SessionRevoker,
    private readonly cookies: SessionCookies,
    private readonly refusals: RefusalHeaders,
    private readonly events: SessionEvents,
  ) {}

  refresh(exchange: SessionExchange): Promise<IssuedTokens> {
    const credential = this.credentials.refresh(exchange);
    return this.refusing(exchange, credential?.transport, async () => {
      this.csrf.check(exchange);
      if (!credential) throw new SessionMissingError('No refresh token came with the request: log in');
      const token = await this.presented.refreshToken(exchange, credential);
      if (!token) throw new RefreshTokenInvalidError();
      if (credential.transport === 'cookie') this.csrfTokens.require(exchange, token.sessionId);
      return this.refresher.refresh(token, {
        exchange,
        transport: credential.transport,
        ip: clientAddress(exchange),
        userAgent: clientUserAgent(exchange),
      });
    });
  }

  /** Ends the session if there is one, and clears the cookies in any case: whether there was one is told nobody. */
  logOut(exchange: SessionExchange, reason: string): Promise<boolean> {
    return this.refusing(exchange, undefined, async () => {
      // With Authorization no cookie counts and none is cleared, so another site's page could achieve nothing.
      const byCookie = !this.credentials.usesAuthorization(exchange);
      if (byCookie) this.csrf.check(exchange);
      const sessionId = await this.presented.sessionId(exchange, this.credentials.refresh(exchange));
      // Without a session there is no token either: as at a login, the origin counts.
      if (byCookie && sessionId === undefined) this.csrf.checkLogIn(exchange);
      if (byCookie && sessionId !== undefined) this.csrfTokens.require(exchange, sessionId);
      const ended = sessionId === undefined ? 0 : await this.revoker.revoke({ sessionId }, reason);
      this.clearCookies(exchange);
      return ended > 0;
    });
  }

  /** Clears the cookies, unless the client uses none. */
  clearCookies(exchange: SessionExchange): void {
    if (!this.credentials.usesAuthorization(exchange)) this.cookies.clear(exchange);
  }

  /** Runs something that may be refused; the headers of the refusal are set before it is thrown. */
  async refusing<T>(
    exchange: SessionExchange | undefined,
    refused: TokenTransport | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (exchange) this.refusals.write(exchange, error, refused);
      if (error instanceof SessionError) this.events.refused(error);
      throw error;
    }
  }
}
