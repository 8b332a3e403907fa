import { Injectable } from '@nestjs/common';
import { KeyRing } from '../keys/key-ring.js';
import { StandingCheck } from '../revocation/standing-check.js';
import { AccessTokenExpiredError, AccessTokenInvalidError, SessionError } from '../session.errors.js';
import { SessionClock } from '../session.runtime.js';
import type { UserSession } from '../session.types.js';
import type { VerifiedToken } from './access-token.js';
import { AccessTokenVerifier } from './access-token-verifier.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

/** Takes note of the use of an access token, which may be the first sign that a refresh token has reached its client. */
export abstract class TokenUse {
  /** Called for every accepted token; must be quick and must not throw. */
  abstract noteUse(token: VerifiedToken): void;
}

/** Says whether an access token counts at this moment. */
@Injectable()
export class AccessTokens {
  private readonly cache = new VerifiedTokenCache<VerifiedToken>();
  /** The token behind each session that was accepted, for as long as anybody holds the session. */
  private readonly accepted = new WeakMap<UserSession, VerifiedToken>();

  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly keys: KeyRing,
    private readonly standing: StandingCheck,
    private readonly clock: SessionClock,
    private readonly use: TokenUse,
  ) {}

  /**
   * A signature is checked once per process; expiry, revocation and key on every call.
   *
   * @param requireMore refuses by throwing, before the use of the token counts
   * @throws AccessTokenInvalidError, AccessTokenExpiredError, SessionRevokedError, TokenTheftDetectedError
   */
  async accept(token: string, requireMore?: (verified: VerifiedToken) => void): Promise<VerifiedToken> {
    const verified = this.cache.get(token) ?? (await this.verify(token));
    try {
      await this.requireStanding(verified);
      requireMore?.(verified);
    } catch (error) {
      throw error instanceof SessionError ? error.about(verified.registered.sid) : error;
    }
    this.use.noteUse(verified);
    return verified;
  }

  /**
   * Whether what was accepted before still counts, for a socket or a stream that outlives its access token: all that
   * `accept` asks but the token's own expiry.
   *
   * @throws what `accept` throws
   */
  async requireStill(session: UserSession): Promise<void> {
    const verified = this.accepted.get(session);
    // A session that came from no token, as that of a login: nothing but its own end can be known of it.
    const { id: sessionId, userId } = session;
    const standing = verified?.standing ?? { sessionId, userId, accessVersion: Infinity, tokenVersion: Infinity };
    const require = () => {
      this.standing.requireByMemory(standing);
      if (verified && this.keys.isDistrusted(verified.kid)) throw new AccessTokenInvalidError();
    };
    require();
    await this.standing.requireByDatabase(standing);
    require();
  }

  private async requireStanding(verified: VerifiedToken): Promise<void> {
    // A session that has ended is told so even by an expired token: refreshing would not help.
    this.standing.requireByMemory(verified.standing);
    if (this.clock.now() >= verified.registered.exp * 1000) throw new AccessTokenExpiredError();
    if (!this.keys.accepts(verified.kid)) throw new AccessTokenInvalidError();
    const asked = this.standing.requireByDatabase(verified.standing);
    if (!asked) return;
    await asked;
    // The database may have told that the key is distrusted.
    if (!this.keys.accepts(verified.kid)) throw new AccessTokenInvalidError();
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
    this.accepted.set(verified.session, verified);
    return verified;
  }
}
