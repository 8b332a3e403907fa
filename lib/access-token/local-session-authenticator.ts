import { Injectable } from '@nestjs/common';
import { SessionEvents } from '../session.events.js';
import { SessionError } from '../session.errors.js';
import type { UserSession } from '../session.types.js';
import { Credentials } from '../transport/credentials.js';
import { CsrfProtection } from '../transport/csrf.js';
import type { SessionExchange } from '../transport/exchange.js';
import { RefusalHeaders } from '../transport/refusal-headers.js';
import { ResponseHeaders } from '../transport/response-headers.js';
import { AccessTokens } from './access-tokens.js';
import { SessionAuthenticator } from './session-authenticator.js';

/** Authenticates requests with this application's own keys and revocation state. Makes no query. */
@Injectable()
export class LocalSessionAuthenticator extends SessionAuthenticator {
  constructor(
    private readonly credentials: Credentials,
    private readonly csrf: CsrfProtection,
    private readonly tokens: AccessTokens,
    private readonly headers: ResponseHeaders,
    private readonly refusals: RefusalHeaders,
    private readonly events: SessionEvents,
  ) {
    super();
  }

  async authenticate(exchange: SessionExchange): Promise<UserSession | undefined> {
    this.headers.vary(exchange, 'Authorization', 'Cookie');
    const credential = this.credentials.access(exchange);
    if (!credential) return undefined;
    // What a session sees is private; a handler that knows better sets its own header after this.
    this.headers.set(exchange, 'Cache-Control', 'no-store');
    if (credential.transport === 'cookie') this.csrf.checkUnsafe(exchange);
    return (await this.tokens.accept(credential.token)).session;
  }

  override refuse(exchange: SessionExchange, error: unknown): void {
    this.refusals.write(exchange, error, this.credentials.usesAuthorization(exchange) ? 'bearer' : 'cookie');
    if (error instanceof SessionError) this.events.emit({ type: 'session.refused', code: error.errorCode });
  }
}
