import { clientOf } from '../common/client-address.js';
import type { SessionClock } from '../common/clock.js';
import { InsufficientUserAuthenticationError, SessionError, SessionStoreUnavailableError } from '../session.errors.js';
import type { UserSession } from '../session.types.js';
import { VerifiedToken } from '../tokens/access-token.claims.js';
import type { TokenAuthenticator } from '../tokens/token-authenticator.js';
import { isUnsafe } from './csrf.js';
import { wasSkipped } from './dbsc.js';
import type { SessionExchange } from './exchange.js';
import { SessionAuthenticator } from './session-authenticator.js';
import type { IncomingAccessToken, SessionHttp } from './session-http.js';

/** Authenticates HTTP requests by their access tokens. Makes no query unless option `revocation` requires one. */
export class HttpSessionAuthenticator extends SessionAuthenticator {
  constructor(
    private readonly http: SessionHttp,
    private readonly tokens: TokenAuthenticator,
    private readonly clock: SessionClock,
  ) {
    super();
  }

  async authenticate(exchange: SessionExchange): Promise<UserSession | undefined> {
    const { headers, csrf } = this.http;
    headers.vary(exchange, 'Authorization, Cookie');
    const incoming = this.http.readAccessToken(exchange);
    if (!incoming) {
      // The browser has a session, and could not reach this application to prove its key.
      if (wasSkipped(exchange)) throw new SessionStoreUnavailableError();
      return undefined;
    }
    // The answer belongs to one session. A handler may set another value afterwards.
    headers.set(exchange, 'Cache-Control', 'no-store');
    const needsCsrfCheck = incoming.transport === 'cookie' && isUnsafe(exchange);
    if (needsCsrfCheck) csrf.checkOrigin(exchange);
    const session = await this.tokens.authenticate(incoming.token, () => clientOf(exchange));
    if (needsCsrfCheck) csrf.checkToken(exchange, session.id);
    if (session.boundBy === 'dpop') this.requireProof(exchange, incoming, session);
    return session;
  }

  private requireProof(exchange: SessionExchange, incoming: IncomingAccessToken, session: UserSession): void {
    try {
      this.http.dpop.requireProof(exchange, incoming, VerifiedToken.of(session)!.jkt!);
    } catch (error) {
      throw error instanceof SessionError ? error.about(session.id) : error;
    }
  }

  requireRecentLogin({ authenticatedAt }: UserSession, maxAge: number): void {
    const age = this.clock.now() - authenticatedAt.getTime();
    if (age > maxAge) throw new InsufficientUserAuthenticationError(Math.floor(maxAge / 1000));
  }

  refuse(exchange: SessionExchange, error: unknown): void {
    this.http.refuse(error, exchange, this.http.usesAuthorization(exchange) ? 'bearer' : 'cookie');
  }
}
