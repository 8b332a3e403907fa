import { Injectable } from '@nestjs/common';
import type { ClientInfo } from '../common/client-address.js';
import { SessionClock } from '../common/clock.js';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { MAX_ISSUE_AGE_MS } from '../rules/rotation.js';
import { RevocationCheck } from '../revocation/revocation-check.js';
import { AccessTokenExpiredError, AccessTokenInvalidError, SessionError } from '../session.errors.js';
import type { UserSession } from '../session.types.js';
import { VerifiedToken } from './access-token.claims.js';
import { AccessTokenEncryption } from './access-token-encryption.js';
import { AccessTokenVerifier } from './access-token-verifier.js';
import { RotationConfirmations } from './rotation-confirmations.js';
import type { TokenAuthenticator } from './token-authenticator.js';
import { TokenBinding } from './token-binding.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

/**
 * Authenticates access tokens by this application's own keys and revocation state. The first rule that applies decides:
 *
 * | the access token | answer |
 * |---|---|
 * | has a wrong form, signature, issuer or audience | `access_token_invalid` |
 * | is of a session that has ended | `session_revoked`, `token_theft_detected` |
 * | was invalidated with all of its user's | `access_token_invalid` |
 * | has claims that were replaced | `access_token_expired` |
 * | has expired | `access_token_expired` |
 * | is signed by a key that was distrusted or has retired | `access_token_invalid` |
 * | cannot be checked, because the database does not answer | `session_store_unavailable` |
 * | is bound to another client | `access_token_invalid` |
 */
@Injectable()
export class AccessTokenAuthenticator implements TokenAuthenticator {
  private readonly verifier: AccessTokenVerifier;
  readonly cache = new VerifiedTokenCache<VerifiedToken>();
  /** Seconds. */
  private readonly lifetime: number;

  constructor(
    options: ResolvedSessionOptions,
    private readonly keys: KeyRing,
    encryption: AccessTokenEncryption,
    private readonly revocation: RevocationCheck,
    private readonly binding: TokenBinding,
    private readonly clock: SessionClock,
    private readonly confirmations: RotationConfirmations,
  ) {
    this.verifier = new AccessTokenVerifier(options, keys, clock, encryption);
    this.lifetime = Math.ceil(options.accessToken.lifetime / 1000);
  }

  /** The signature is checked once per process; expiry, revocation, key and binding on every call. */
  async authenticate(token: string, client?: () => ClientInfo): Promise<UserSession> {
    const verified = this.findCached(token) ?? (await this.verify(token));
    try {
      const asked = this.checkRevocation(verified);
      // Most requests ask nothing. An await for each takes a fifth of the time of a known token.
      if (asked) await asked;
      if (client) this.binding.check(verified, client);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      // The browser proves the key where the cookie is missing. One that is there would be sent until it ends.
      if (verified.session.boundBy === 'dbsc' && asksForRefresh(error)) error.endingAccessCookie();
      throw error.about(verified.sessionId);
    }
    this.confirmations.noteUse(verified);
    return verified.session;
  }

  /**
   * Checks whether an authenticated session still counts, for a socket or a stream that outlives its access token: all
   * that `authenticate` checks but the token's own expiry and its binding.
   *
   * @throws what `authenticate` throws
   */
  async checkStillValid(session: UserSession): Promise<void> {
    const token = VerifiedToken.of(session);
    const { id: sessionId, userId } = session;
    // A session that was not read from a token, such as that of a login, has no versions to compare: only its end is
    // checked.
    const keys = token ?? { sessionId, userId, accessVersion: Infinity, tokenVersion: Infinity };
    const check = () => {
      this.revocation.requireByMemory(keys);
      if (token && this.keys.isDistrusted(token.kid)) throw new AccessTokenInvalidError();
    };
    check();
    await this.revocation.requireByDatabase(keys, this.clock.now());
    check();
  }

  /** How long the access token of a session that `authenticate` returned lives on. */
  secondsLeft(session: UserSession): number {
    const { exp = 0 } = VerifiedToken.of(session) ?? {};
    return Math.max(0, Math.floor(exp - this.clock.now() / 1000));
  }

  /** The session of a token that this application has signed, expired or not; undefined for any other. */
  async sessionIdOf(token: string): Promise<string | undefined> {
    try {
      return (this.findCached(token) ?? (await this.verify(token))).sessionId;
    } catch (error) {
      if (error instanceof AccessTokenInvalidError) return undefined;
      throw error;
    }
  }

  /**
   * Reads an access token, expired or not, that shows which refresh token of the session was issued with it.
   *
   * @returns undefined for a token of another session, one that this application has not signed, one that is older than a
   * week, or one whose key was distrusted or removed
   * @throws SessionRevokedError, TokenTheftDetectedError where this process knows that the session has ended, although the
   * database may have lost that
   */
  async readIssue(token: string, sessionId: string): Promise<VerifiedToken | undefined> {
    try {
      // Not from the cache: the key may have been distrusted since.
      const verified = await this.verifier.verify(token, this.keys.kept);
      if (verified.sessionId !== sessionId || this.clock.now() - verified.issuedAt > MAX_ISSUE_AGE_MS) return undefined;
      this.revocation.requireNotEnded(verified);
      return verified;
    } catch (error) {
      if (error instanceof AccessTokenInvalidError) return undefined;
      throw error;
    }
  }

  private findCached(token: string): VerifiedToken | undefined {
    // Untyped callers may pass anything.
    return typeof token === 'string' ? this.cache.get(token) : undefined;
  }

  private async verify(token: string): Promise<VerifiedToken> {
    const verified = await this.verifier.verify(token);
    this.cache.set(token, verified);
    return verified;
  }

  /** @returns undefined where memory is recent enough */
  private checkRevocation(verified: VerifiedToken): Promise<void> | undefined {
    // Before expiry: refreshing an ended session would not help, so even an expired token says that it has ended.
    this.revocation.requireByMemory(verified);
    // Read once for all checks: reading the clock is a large part of the cost of a known token.
    const now = this.clock.now();
    // Not beyond the configured lifetime either: revocations are remembered that long, and it may have been shortened.
    if (now >= Math.min(verified.exp, verified.iat + this.lifetime) * 1000) throw new AccessTokenExpiredError();
    this.checkKey(verified, now);
    const asked = this.revocation.requireByDatabase(verified, now);
    // The database may tell that the key is distrusted.
    return asked?.then(() => this.checkKey(verified, this.clock.now()));
  }

  private checkKey({ kid }: VerifiedToken, now: number): void {
    if (!this.keys.accepts(kid, now)) throw new AccessTokenInvalidError();
  }
}

function asksForRefresh(error: SessionError): boolean {
  return error instanceof AccessTokenExpiredError || error instanceof AccessTokenInvalidError;
}
