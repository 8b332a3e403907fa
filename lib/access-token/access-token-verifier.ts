import { Injectable, Logger, Optional } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { VerificationKeys, type VerificationKey } from '../keys/verification-keys.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { isUuid } from '../rules/uuid.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import { SessionClock } from '../session.runtime.js';
import {
  ACCESS_TOKEN_TYPE,
  customClaims,
  LONGEST_ACCESS_TOKEN,
  type RegisteredClaims,
  sessionOfClaims,
  type VerifiedToken,
} from './access-token.js';
import { AccessTokenDecryption, isEncrypted } from './access-token-decryption.js';
import { isCanonicalBase64url, parseSegment } from './base64url.js';

interface TokenHeader {
  readonly alg: string;
  readonly kid: string;
}

/** The last second that a `Date` can tell. */
const LAST_TIME = 8_640_000_000_000;

/** What `logIn` takes for a user id. */
const USER_ID = /^[^\0\p{Surrogate}]{1,255}$/u;

/** Checks what about an access token never changes: form, header, signature, issuer, audience, claims (RFC 8725). */
@Injectable()
export class AccessTokenVerifier {
  private readonly logger = new Logger('SessionTokens');
  private readonly jwt = new JwtService();
  private warned = false;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly keys: VerificationKeys,
    private readonly clock: SessionClock,
    @Optional() private readonly decryption?: AccessTokenDecryption,
  ) {}

  /**
   * Whether the token has expired is not checked: that changes, and log-out takes an expired one too.
   *
   * @throws AccessTokenInvalidError
   */
  async verify(token: string): Promise<VerifiedToken> {
    if (typeof token !== 'string' || token.length > LONGEST_ACCESS_TOKEN) throw new AccessTokenInvalidError();
    const signed = isEncrypted(token) ? await this.decryption?.open(token) : token;
    if (signed === undefined) throw new AccessTokenInvalidError();
    const { kid, alg } = readHeader(signed);
    const key = await this.keys.find(kid, alg);
    if (!key) throw new AccessTokenInvalidError();
    this.checkSignature(signed, key);
    const payload = parseSegment(signed.split('.', 2)[1]!) ?? {};
    const registered = this.checkClaims(payload);
    const standing = {
      sessionId: registered.sid,
      userId: registered.sub,
      accessVersion: registered.access_version,
      tokenVersion: registered.token_version,
    };
    const session = sessionOfClaims(registered, customClaims(payload));
    return Object.freeze({ session, registered, standing, kid, algorithm: key.algorithm });
  }

  private checkSignature(token: string, key: VerificationKey): void {
    // OpenSSL takes a PSS signature without its leading zeros; RFC 8017, section 8.1.2, does not.
    const { modulusLength } = key.publicKey.asymmetricKeyDetails ?? {};
    const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
    if (modulusLength && signature.length !== Math.ceil(modulusLength / 8)) throw new AccessTokenInvalidError();
    try {
      // The algorithm is the key's own, never the header's word: no `none`, no HMAC with a public key.
      this.jwt.verify(token, {
        publicKey: key.publicKey as unknown as Buffer,
        algorithms: [key.algorithm],
        ignoreExpiration: true,
        ignoreNotBefore: true,
      });
    } catch {
      // Why a foreign token is wrong is nobody's business; the code tells the client what to do.
      throw new AccessTokenInvalidError();
    }
  }

  private checkClaims(payload: Record<string, unknown>): RegisteredClaims {
    const latest = (this.clock.now() + this.options.accessToken.clockTolerance) / 1000;
    const times = ['iat', 'exp', 'auth_time', 'session_exp'];
    const counters = ['generation', 'access_version', 'token_version'];
    const sound =
      times.every(name => isWholeNumber(payload[name], LAST_TIME)) &&
      counters.every(name => isWholeNumber(payload[name], Number.MAX_SAFE_INTEGER)) &&
      ['sub', 'jti', 'branch', 'access_uuid'].every(name => typeof payload[name] === 'string') &&
      USER_ID.test(payload.sub as string) &&
      typeof payload.sid === 'string' &&
      isUuid(payload.sid) &&
      (payload.iat as number) <= latest &&
      (payload.nbf === undefined || (typeof payload.nbf === 'number' && payload.nbf <= latest));
    if (!sound || !this.isMeantForUs(payload)) throw new AccessTokenInvalidError();
    return Object.freeze(payload as unknown as RegisteredClaims);
  }

  private isMeantForUs({ iss, aud }: Record<string, unknown>): boolean {
    const { issuer, audience } = this.options.accessToken;
    if (iss === issuer && aud === audience) return true;
    // Its signature is good, so that this is no attack but most likely a setting.
    if (!this.warned) {
      this.logger.warn(
        `a genuine token was refused: its issuer is ${JSON.stringify(iss)} and its audience ${JSON.stringify(aud)}, the options "issuer" and "audience" say ${JSON.stringify(issuer)} and ${JSON.stringify(audience)}`,
      );
    }
    this.warned = true;
    return false;
  }
}

/**
 * Reads the header of a well-formed token. It may hold `alg`, `typ` and `kid`, as we issue it: whatever else a header can
 * say (`jku`, `jwk`, `x5u`, `crit`, `b64`) has no business in our tokens.
 */
function readHeader(token: string): TokenHeader {
  const segments = token.split('.', 4);
  if (segments.length !== 3 || !segments.every(isCanonicalBase64url)) throw new AccessTokenInvalidError();
  const header = parseSegment(segments[0]!);
  const { alg, kid, typ, ...others } = header ?? {};
  if (Object.keys(others).length > 0 || typ !== ACCESS_TOKEN_TYPE) throw new AccessTokenInvalidError();
  if (typeof alg !== 'string' || typeof kid !== 'string') throw new AccessTokenInvalidError();
  return { alg, kid };
}

function isWholeNumber(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}
