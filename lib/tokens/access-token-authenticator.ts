import { Injectable } from '@nestjs/common';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { RevocationCheck } from '../revocation/revocation-check.js';
import { AccessTokenExpiredError, AccessTokenInvalidError, SessionError } from '../session.errors.js';
import { SessionClock } from '../common/clock.js';
import type { UserSession } from '../session.types.js';
import { originOf, type VerifiedToken } from './access-token.claims.js';
import { AccessTokenVerifier } from './access-token-verifier.js';
import { andThen } from './and-then.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

/** Takes note of the use of an access token, which may be the first sign that a refresh token has reached its client. */
export abstract class TokenUse {
  /** Called for every accepted token; must be quick and must not throw. */
  abstract noteUse(token: VerifiedToken): void;
}

/** Says whether an access token counts at this moment. */
@Injectable()
export class AccessTokenAuthenticator {
  private readonly cache = new VerifiedTokenCache<VerifiedToken>();
  /** Seconds. */
  private readonly lifetime: number;

  constructor(
    options: ResolvedSessionOptions,
    private readonly verifier: AccessTokenVerifier,
    private readonly keys: KeyRing,
    private readonly standing: RevocationCheck,
    private readonly clock: SessionClock,
    private readonly use: TokenUse,
  ) {
    this.lifetime = Math.ceil(options.accessToken.lifetime / 1000);
  }

  /**
   * A signature is checked once per process; expiry, revocation and key on every call.
   *
   * @param requireMore refuses by throwing, before the use of the token counts
   * @throws AccessTokenInvalidError, AccessTokenExpiredError, SessionRevokedError, TokenTheftDetectedError
   */
  accept(token: string, requireMore?: (verified: VerifiedToken) => void): VerifiedToken | Promise<VerifiedToken> {
    // Whoever is not held to types may give anything.
    const known = typeof token === 'string' ? this.cache.get(token) : undefined;
    return andThen(known ?? this.verify(token), verified => this.admit(verified, requireMore));
  }

  /**
   * Whether what was accepted before still counts, for a socket or a stream that outlives its access token: all that
   * `accept` asks but the token's own expiry.
   *
   * @throws what `accept` throws
   */
  async requireStill(session: UserSession): Promise<void> {
    const origin = originOf(session);
    // A session that came from no token, as that of a login: nothing but its own end can be known of it.
    const { id: sessionId, userId } = session;
    const standing = origin?.standing ?? { sessionId, userId, accessVersion: Infinity, tokenVersion: Infinity };
    const require = () => {
      this.standing.requireByMemory(standing);
      if (origin && this.keys.isDistrusted(origin.kid)) throw new AccessTokenInvalidError();
    };
    require();
    await this.standing.requireByDatabase(standing, this.clock.now());
    require();
  }

  private admit(
    verified: VerifiedToken,
    requireMore: ((verified: VerifiedToken) => void) | undefined,
  ): VerifiedToken | Promise<VerifiedToken> {
    try {
      const asked = this.requireStanding(verified);
      if (asked) return this.admitWhenAsked(asked, verified, requireMore);
      requireMore?.(verified);
    } catch (error) {
      throw about(verified, error);
    }
    this.use.noteUse(verified);
    return verified;
  }

  private async admitWhenAsked(
    asked: Promise<void>,
    verified: VerifiedToken,
    requireMore: ((verified: VerifiedToken) => void) | undefined,
  ): Promise<VerifiedToken> {
    try {
      await asked;
      // The database may have told that the key is distrusted.
      if (!this.keys.accepts(verified.kid, this.clock.now())) throw new AccessTokenInvalidError();
      requireMore?.(verified);
    } catch (error) {
      throw about(verified, error);
    }
    this.use.noteUse(verified);
    return verified;
  }

  /** @returns what must be awaited, where memory does not suffice */
  private requireStanding(verified: VerifiedToken): Promise<void> | undefined {
    // A session that has ended is told so even by an expired token: refreshing would not help.
    this.standing.requireByMemory(verified.standing);
    // Read once for all that is asked of every request: the clock takes a good part of what a known token costs.
    const now = this.clock.now();
    // Not beyond our own lifetime either: so long is remembered what has ended, and a longer one may have been shortened.
    const { iat, exp } = verified.registered;
    if (now >= Math.min(exp, iat + this.lifetime) * 1000) throw new AccessTokenExpiredError();
    if (!this.keys.accepts(verified.kid, now)) throw new AccessTokenInvalidError();
    return this.standing.requireByDatabase(verified.standing, now);
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

/** A refusal that tells which session it concerns. */
function about(verified: VerifiedToken, error: unknown): unknown {
  return error instanceof SessionError ? error.about(verified.registered.sid) : error;
}
