import { Injectable } from '@nestjs/common';
import { clientOf } from '../common/client-address.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { branchOf, type OpenedRefreshToken, openRefreshToken, type RefreshToken } from '../rules/refresh-token.js';
import type { TokenIssue } from '../rules/rotation.js';
import type { ServerKeys } from '../rules/server-keys.js';
import { AccessTokenExpiredError, AccessTokenInvalidError, InvalidRequestError } from '../session.errors.js';
import type { IssuedTokens } from '../session.types.js';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';
import type { SessionExchange } from './exchange.js';
import type { RefreshCookies } from './refresh-cookies.js';
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
   * The refresh token that counts, or undefined where none does. Sibling domains can plant refresh cookies, so of these
   * only that of the client's own session counts:
   *
   * | cookies | the own session is that of |
   * |---|---|
   * | with the prefix `__Host-Http-` | the marker cookie |
   * | without it, tokens of one session | these tokens |
   * | without it, tokens of several sessions | the access cookie |
   *
   * Of several tokens of the own session the newest counts: a deployment that moved the cookie has left the others
   * behind.
   */
  async refreshToken(
    exchange: SessionExchange,
    incoming: IncomingRefreshTokens,
  ): Promise<OpenedRefreshToken | undefined> {
    if (incoming.transport === 'bearer') return this.open(incoming.token);
    const own = await this.ownTokens(exchange, incoming.cookies);
    return own.toSorted((one, other) => other.generation - one.generation)[0];
  }

  /** The session of the refresh token, else that of a validly signed access token, even if it has expired. */
  async find(
    exchange: SessionExchange,
    incoming: IncomingRefreshTokens | undefined,
  ): Promise<{ readonly sessionId?: string; readonly issuer?: ServerKeys }> {
    const token = incoming && (await this.refreshToken(exchange, incoming));
    return token ?? { sessionId: await this.accessSessionId(exchange) };
  }

  /**
   * The tokens of a request without a refresh token, whose session is bound to a key (DBSC): the browser has refreshed it
   * just before. Undefined where the access cookie is of no such session, or is refused.
   */
  async boundTokens(exchange: SessionExchange): Promise<IssuedTokens | undefined> {
    try {
      const incoming = this.http.readAccessToken(exchange);
      if (incoming?.transport !== 'cookie') return undefined;
      const session = await this.accessTokens.authenticate(incoming.token, () => clientOf(exchange));
      const expiresIn = this.accessTokens.secondsLeft(session);
      return session.boundBy === 'dbsc' ? { session, expiresIn } : undefined;
    } catch (error) {
      if (!(error instanceof AccessTokenInvalidError || error instanceof AccessTokenExpiredError)) throw error;
      // The browser proves the key before it repeats the request.
      if (error.endsAccessCookie) this.http.cookies.clearAccess(exchange);
      return undefined;
    }
  }

  /**
   * Called where no refresh token was found: one under another name would leave the client without a session, or its
   * session alive after a log-out.
   *
   * @throws InvalidRequestError that says where it came and where it belongs
   */
  refuseMisnamedToken(exchange: SessionExchange): void {
    const place = this.http.misplacedTexts(exchange).find(([, text]) => this.open(text) !== undefined)?.[0];
    if (place === undefined) return;
    throw new InvalidRequestError(`The refresh token came as ${place}: send it as "refreshToken" in the body`);
  }

  /** The access token that came with a refresh token: in the body beside it, in `Authorization` or in its cookie. */
  accompanying(exchange: SessionExchange): unknown {
    try {
      return exchange.bodyMember('accessToken') ?? this.http.readAccessToken(exchange)?.token;
    } catch (error) {
      if (error instanceof AccessTokenInvalidError) return undefined;
      throw error;
    }
  }

  /**
   * What an access token shows of a refresh token that came with it: undefined unless one answer has issued both. It
   * need not count any more. That of a session that is bound to a key shows nothing: there the key counts.
   *
   * @param lastSeenAt when the row's tokens were last issued, in milliseconds since the epoch
   */
  async issueOf(
    accessToken: unknown,
    { sessionId, generation }: RefreshToken,
    hash: Buffer,
    lastSeenAt: number,
  ): Promise<TokenIssue | undefined> {
    const issue = typeof accessToken === 'string' && (await this.accessTokens.readIssue(accessToken, sessionId));
    if (!issue || issue.generation !== generation || issue.branch !== branchOf(hash)) return undefined;
    if (issue.session.boundBy !== undefined) return undefined;
    return issue.issuedAt > lastSeenAt ? 'later' : 'known';
  }

  open(text: string): OpenedRefreshToken | undefined {
    return openRefreshToken(text, this.secrets.accepted);
  }

  private async ownTokens(
    exchange: SessionExchange,
    { opened, marked }: RefreshCookies,
  ): Promise<readonly OpenedRefreshToken[]> {
    if (this.http.cookies.markerName) return marked;
    if (new Set(opened.map(({ sessionId }) => sessionId)).size < 2) return opened;
    const own = await this.accessSessionId(exchange);
    return opened.filter(({ sessionId }) => sessionId === own);
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
