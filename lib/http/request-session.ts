import { Injectable } from '@nestjs/common';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { openRefreshToken, type RefreshToken } from '../rules/refresh-token.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import { Credentials, type RefreshCredential } from './credentials.js';
import type { SessionExchange } from './exchange.js';

/** Finds out which session a request brings, for refresh, log-out and login. No query is made. */
@Injectable()
export class RequestSession {
  constructor(
    private readonly credentials: Credentials,
    private readonly secrets: ServerSecrets,
    private readonly accessTokens: AccessTokenAuthenticator,
  ) {}

  /**
   * The refresh token that counts, or undefined where none is ours. Of several cookies (a sibling domain can plant one)
   * it is that of the session in the `__Host-` access cookie, which nobody can plant.
   */
  async refreshToken(exchange: SessionExchange, credential: RefreshCredential): Promise<RefreshToken | undefined> {
    const opened = credential.tokens.map(text => this.open(text)).filter(token => token !== undefined);
    if (credential.tokens.length === 1) return opened[0];
    const sessionId = await this.accessSessionId(exchange);
    const own = opened.filter(token => token.sessionId === sessionId);
    return own.length === 1 ? own[0] : undefined;
  }

  /** The session of the refresh token, else that of a validly signed access token, even if it has expired. */
  async sessionId(exchange: SessionExchange, credential: RefreshCredential | undefined): Promise<string | undefined> {
    const token = credential && (await this.refreshToken(exchange, credential));
    return token?.sessionId ?? (await this.accessSessionId(exchange));
  }

  open(text: string): RefreshToken | undefined {
    return openRefreshToken(text, this.secrets.accepted);
  }

  private async accessSessionId(exchange: SessionExchange): Promise<string | undefined> {
    try {
      const credential = this.credentials.access(exchange);
      return credential && (await this.accessTokens.sessionIdOf(credential.token));
    } catch (error) {
      if (error instanceof AccessTokenInvalidError) return undefined;
      throw error;
    }
  }
}
