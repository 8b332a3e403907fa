import { Injectable } from '@nestjs/common';
import { ServerSecrets } from '../keys/server-secrets.js';
import { openRefreshToken, type RefreshToken } from '../rules/refresh-token.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';
import type { SessionExchange } from './exchange.js';
import { type IncomingRefreshTokens, SessionHttp } from './session-http.js';

/** Finds out which session a request brings, for login, refresh and log-out. No query is made. */
@Injectable()
export class RequestSession {
  constructor(
    private readonly http: SessionHttp,
    private readonly secrets: ServerSecrets,
    private readonly accessTokens: AccessTokenAuthenticator,
  ) {}

  /**
   * The refresh token that counts, or undefined where none is ours. Of several cookies (a sibling domain can plant one)
   * it is that of the session in the `__Host-` access cookie, which no other site can plant.
   */
  async refreshToken(exchange: SessionExchange, incoming: IncomingRefreshTokens): Promise<RefreshToken | undefined> {
    const opened = incoming.tokens.map(text => this.open(text)).filter(token => token !== undefined);
    if (incoming.tokens.length === 1) return opened[0];
    const sessionId = await this.accessSessionId(exchange);
    const own = opened.filter(token => token.sessionId === sessionId);
    return own.length === 1 ? own[0] : undefined;
  }

  /** The session of the refresh token, else that of a validly signed access token, even if it has expired. */
  async sessionId(exchange: SessionExchange, incoming: IncomingRefreshTokens | undefined): Promise<string | undefined> {
    const token = incoming && (await this.refreshToken(exchange, incoming));
    return token?.sessionId ?? (await this.accessSessionId(exchange));
  }

  open(text: string): RefreshToken | undefined {
    return openRefreshToken(text, this.secrets.accepted);
  }

  private async accessSessionId(exchange: SessionExchange): Promise<string | undefined> {
    try {
      const incoming = this.http.readAccessToken(exchange);
      return incoming && (await this.accessTokens.sessionIdOf(incoming.token));
    } catch (error) {
      if (error instanceof AccessTokenInvalidError) return undefined;
      throw error;
    }
  }
}
