import { InsufficientUserAuthenticationError, SessionError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../common/clock.js';
import type { UserSession } from '../session.types.js';
import { Credentials } from './credentials.js';
import { CsrfProtection } from './csrf.js';
import type { SessionExchange } from './exchange.js';
import { RefusalHeaders } from './refusal-headers.js';
import { ResponseHeaders } from './response-headers.js';
import { SessionAuthenticator } from './session-authenticator.js';

/** What is the same wherever tokens are verified: where they lie, what caches are told, requests of other sites, refusals. */
export abstract class HttpSessionAuthenticator extends SessionAuthenticator {
  constructor(
    private readonly credentials: Credentials,
    private readonly csrf: CsrfProtection,
    private readonly headers: ResponseHeaders,
    private readonly refusals: RefusalHeaders,
    private readonly events: SessionEvents,
    protected readonly clock: SessionClock,
  ) {
    super();
  }

  authenticate(exchange: SessionExchange): UserSession | undefined | Promise<UserSession | undefined> {
    this.headers.vary(exchange, 'Authorization', 'Cookie');
    const credential = this.credentials.access(exchange);
    if (!credential) return undefined;
    // What a session sees is private; a handler that knows better sets its own header after this.
    this.headers.set(exchange, 'Cache-Control', 'no-store');
    const actsByCookie = credential.transport === 'cookie' && this.csrf.isUnsafe(exchange);
    if (actsByCookie) this.csrf.check(exchange);
    return this.accept(credential.token, exchange, actsByCookie);
  }

  requireRecentLogin({ authenticatedAt }: UserSession, maxAge: number): void {
    const age = this.clock.now() - authenticatedAt.getTime();
    if (age > maxAge) throw new InsufficientUserAuthenticationError(Math.floor(maxAge / 1000));
  }

  override refuse(exchange: SessionExchange, error: unknown): void {
    this.refusals.write(exchange, error, this.credentials.usesAuthorization(exchange) ? 'bearer' : 'cookie');
    if (error instanceof SessionError) this.events.refused(error);
  }

  /**
   * The session of an access token that counts at this moment.
   *
   * @param actsByCookie whether cookies authenticate a request that changes something
   * @throws SessionError for a token that does not count
   */
  protected abstract accept(
    token: string,
    exchange: SessionExchange,
    actsByCookie: boolean,
  ): UserSession | Promise<UserSession>;
}
