import { Injectable } from '@nestjs/common';
import { KeyRing } from '../keys/key-ring.js';
import { Revocations } from '../revocation/revocations.js';
import { AccessTokenExpiredError, AccessTokenInvalidError, revokedError } from '../session.errors.js';
import { SessionClock } from '../session.runtime.js';
import type { VerifiedToken } from './access-token.js';
import { AccessTokenVerifier } from './access-token-verifier.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

/** Takes note of the use of an access token, which may be the first sign that a refresh token has reached its client. */
export abstract class TokenUse {
  /** Called for every accepted token; must be quick and must not throw. */
  abstract noteUse(token: VerifiedToken): void;
}

/** Says whether an access token counts at this moment. Makes no query. */
@Injectable()
export class AccessTokens {
  private readonly cache = new VerifiedTokenCache<VerifiedToken>();

  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly keys: KeyRing,
    private readonly revocations: Revocations,
    private readonly clock: SessionClock,
    private readonly use: TokenUse,
  ) {}

  /**
   * A signature is checked once per process; expiry, revocation and key on every call.
   *
   * @throws AccessTokenInvalidError, AccessTokenExpiredError, SessionRevokedError, TokenTheftDetectedError
   */
  async accept(token: string): Promise<VerifiedToken> {
    const verified = this.cache.get(token) ?? (await this.verify(token));
    if (!this.keys.accepts(verified.kid)) throw new AccessTokenInvalidError();
    // A session that has ended is told so even by an expired token: refreshing would not help.
    const reason = this.revocations.reasonOf(verified.registered.sid);
    if (reason !== undefined) throw revokedError(reason);
    if (this.clock.now() >= verified.registered.exp * 1000) throw new AccessTokenExpiredError();
    this.use.noteUse(verified);
    return verified;
  }

  /** The session of a token that we signed, expired or not; undefined for any other. */
  async sessionIdOf(token: string): Promise<string | undefined> {
    try {
      return (this.cache.get(token) ?? (await this.verifier.verify(token))).registered.sid;
    } catch (error) {
      if (error instanceof AccessTokenInvalidError) return undefined;
      throw error;
    }
  }

  private async verify(token: string): Promise<VerifiedToken> {
    const verified = await this.verifier.verify(token);
    this.cache.set(token, verified);
    return verified;
  }
}
