import { Injectable, Optional } from '@nestjs/common';
import { SessionClock } from '../common/clock.js';
import { VerificationKeys } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { AccessTokenExpiredError, AccessTokenInvalidError } from '../session.errors.js';
import { AccessTokenVerifier } from '../tokens/access-token-verifier.js';
import type { UserSession } from '../session.types.js';
import type { VerifiedToken } from '../tokens/access-token.claims.js';
import type { TokenAuthenticator } from '../tokens/token-authenticator.js';
import { VerifiedTokenCache } from '../tokens/verified-token-cache.js';
import { RemoteRevocations } from './remote-revocations.js';

/**
 * Authenticates access tokens by another application's keys, and by what it has revoked where option `revocations` is
 * set. Otherwise a session that has ended is accepted here until its last access token expires, a distrusted key until the
 * issuing application's JWK Set no longer has it.
 */
@Injectable()
export class RemoteTokenAuthenticator implements TokenAuthenticator {
  private readonly verifier: AccessTokenVerifier;
  readonly cache = new VerifiedTokenCache<VerifiedToken>();

  constructor(
    options: ResolvedSessionOptions,
    private readonly keys: VerificationKeys,
    private readonly clock: SessionClock,
    @Optional() private readonly revocations?: RemoteRevocations,
  ) {
    this.verifier = new AccessTokenVerifier(options, keys, clock);
  }

  async authenticate(token: string): Promise<UserSession> {
    const known = this.cache.get(token);
    const verified = known ?? (await this.verifier.verify(token));
    if (!known) this.cache.set(token, verified);
    // Before expiry: refreshing an ended session would not help, so even an expired token says that it has ended.
    this.revocations?.requireByMemory(verified);
    const now = this.clock.now();
    if (now >= verified.exp * 1000) throw new AccessTokenExpiredError();
    const key = await this.keys.find(verified.kid, verified.algorithm);
    if (!key) throw new AccessTokenInvalidError();
    this.revocations?.requireCurrent(verified, now);
    return verified.session;
  }
}
