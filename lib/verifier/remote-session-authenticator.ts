import { Injectable } from '@nestjs/common';
import type { VerifiedToken } from '../tokens/access-token.claims.js';
import { AccessTokenVerifier } from '../tokens/access-token-verifier.js';
import { HttpSessionAuthenticator } from '../http/http-session-authenticator.js';
import { VerifiedTokenCache } from '../tokens/verified-token-cache.js';
import { VerificationKeys } from '../keys/key-ring.js';
import { AccessTokenExpiredError, AccessTokenInvalidError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../common/clock.js';
import type { UserSession } from '../session.types.js';
import { Credentials } from '../http/credentials.js';
import { CsrfProtection } from '../http/csrf.js';
import { RefusalHeaders } from '../http/refusal-headers.js';
import { ResponseHeaders } from '../http/response-headers.js';

/**
 * Authenticates requests with another application's keys. A session that was ended is known here when its last access
 * token has expired; a distrusted key when the issuing application no longer shows it.
 */
@Injectable()
export class RemoteSessionAuthenticator extends HttpSessionAuthenticator {
  private readonly cache = new VerifiedTokenCache<VerifiedToken>();

  constructor(
    credentials: Credentials,
    csrf: CsrfProtection,
    headers: ResponseHeaders,
    refusals: RefusalHeaders,
    events: SessionEvents,
    clock: SessionClock,
    private readonly verifier: AccessTokenVerifier,
    private readonly keys: VerificationKeys,
  ) {
    super(credentials, csrf, headers, refusals, events, clock);
  }

  protected async accept(token: string): Promise<UserSession> {
    const known = this.cache.get(token);
    const verified = known ?? (await this.verifier.verify(token));
    if (!known) this.cache.set(token, verified);
    if (this.clock.now() >= verified.registered.exp * 1000) throw new AccessTokenExpiredError();
    const key = await this.keys.find(verified.kid, verified.algorithm);
    if (!key) throw new AccessTokenInvalidError();
    return verified.session;
  }
}
