import { Injectable } from '@nestjs/common';
import { SessionEvents } from '../session.events.js';
import { InsufficientUserAuthenticationError, SessionError } from '../session.errors.js';
import { SessionClock } from '../session.runtime.js';
import type { UserSession } from '../session.types.js';
import { Credentials } from '../transport/credentials.js';
import { CsrfProtection } from '../transport/csrf.js';
import type { SessionExchange } from '../transport/exchange.js';
import { RefusalHeaders } from '../transport/refusal-headers.js';
import { ResponseHeaders } from '../transport/response-headers.js';
import { AccessTokens } from './access-tokens.js';
import { CsrfTokens } from './csrf-tokens.js';
import { TokenBinding } from './token-binding.js';
import { SessionAuthenticator } from './session-authenticator.js';

/** Authenticates requests with this application's own keys and revocation state. Makes no query. */
@Injectable()
export class LocalSessionAuthenticator extends SessionAuthenticator {
  constructor(
    private readonly credentials: Credentials,
    private readonly csrf: CsrfProtection,
    private readonly csrfTokens: CsrfTokens,
    private readonly tokens: AccessTokens,
    private readonly binding: TokenBinding,
    private readonly headers: ResponseHeaders,
    private readonly refusals: RefusalHeaders,
    private readonly events: SessionEvents,
    private readonly clock: SessionClock,
  ) {
    super();
  }

  async authenticate(exchange: SessionExchange): Promise<UserSession | undefined> {
    this.headers.vary(exchange, 'Authorization', 'Cookie');
    const credential = this.credentials.access(exchange);
    if (!credential) return undefined;
    // What a session sees is private; a handler that knows better sets its own header after this.
    this.headers.set(exchange, 'Cache-Control', 'no-store');
    const byCookie = credential.transport === 'cookie' && this.csrf.isUnsafe(exchange);
    if (byCookie) this.csrf.check(exchange);
    const { session, registered } = await this.tokens.accept(credential.token, token =>
      this.binding.require(token.registered, exchange),
    );
    if (byCookie) this.csrfTokens.require(exchange, registered.sid);
    return session;
  }

  requireRecentLogin({ authenticatedAt }: UserSession, maxAge: number): void {
    const age = this.clock.now() - authenticatedAt.getTime();
    if (age > maxAge) throw new InsufficientUserAuthenticationError(Math.floor(maxAge / 1000));
  }

  override refuse(exchange: SessionExchange, error: unknown): void {
    this.refusals.write(exchange, error, this.credentials.usesAuthorization(exchange) ? 'bearer' : 'cookie');
    if (error instanceof SessionError) this.events.refused(error);
  }
}
