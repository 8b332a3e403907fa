import { Injectable } from '@nestjs/common';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../common/clock.js';
import type { UserSession } from '../session.types.js';
import { Credentials } from './credentials.js';
import { CsrfProtection } from './csrf.js';
import type { SessionExchange } from './exchange.js';
import { RefusalHeaders } from './refusal-headers.js';
import { ResponseHeaders } from './response-headers.js';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';
import { andThen } from '../tokens/and-then.js';
import { CsrfTokens } from './csrf-tokens.js';
import { HttpSessionAuthenticator } from './http-session-authenticator.js';
import { TokenBinding } from '../tokens/token-binding.js';

/** Authenticates requests with this application's own keys and revocation state. Makes no query. */
@Injectable()
export class LocalSessionAuthenticator extends HttpSessionAuthenticator {
  constructor(
    credentials: Credentials,
    csrf: CsrfProtection,
    headers: ResponseHeaders,
    refusals: RefusalHeaders,
    events: SessionEvents,
    clock: SessionClock,
    private readonly csrfTokens: CsrfTokens,
    private readonly tokens: AccessTokenAuthenticator,
    private readonly binding: TokenBinding,
  ) {
    super(credentials, csrf, headers, refusals, events, clock);
  }

  protected accept(
    token: string,
    exchange: SessionExchange,
    actsByCookie: boolean,
  ): UserSession | Promise<UserSession> {
    const accepted = this.tokens.accept(token, verified => this.binding.require(verified.registered, exchange));
    return andThen(accepted, ({ session, registered }) => {
      if (actsByCookie) this.csrfTokens.require(exchange, registered.sid);
      return session;
    });
  }
}
