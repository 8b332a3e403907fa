import { Injectable, Logger, Optional } from '@nestjs/common';
import { VerificationKeys } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { isUuid } from '../common/uuid.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import { SessionClock } from '../common/clock.js';
import {
  ACCESS_TOKEN_TYPE,
  customClaims,
  MAX_ACCESS_TOKEN_LENGTH,
  type RegisteredClaims,
  sessionOfClaims,
  type VerifiedToken,
} from './access-token.claims.js';
import { AccessTokenDecryption, isEncrypted } from './access-token-decryption.js';
import { isCanonicalBase64url, parseSegment } from './base64url.js';
import { isSignature } from './jws.js';

interface TokenHeader {
  readonly alg: string;
  readonly kid: string;
}

/** How many headers are remembered: one for each signing key of the last days. */
const MAX_CACHED_HEADERS = 100;

/** The last second that a `Date` can tell. */
const LAST_TIME = 8_640_000_000_000;

/** What `logIn` takes for a user id. */
const USER_ID = /^[^\0\p{Surrogate}]{1,255}$/u;

/** Checks what about an access token never changes: form, header, signature, issuer, audience, claims (RFC 8725). */
@Injectable()
export class AccessTokenVerifier {
  private readonly logger = new Logger('SessionTokens');
  private warned = false;
  /** The headers of genuine tokens, which differ by key only, and what they say. */
  private readonly headers = new Map<string, TokenHeader>();

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
    if (typeof token !== 'string' || token.length > MAX_ACCESS_TOKEN_LENGTH) throw new AccessTokenInvalidError();
    const signed = isEncrypted(token) ? await this.decryption?.open(token) : token;
    if (signed === undefined) throw new AccessTokenInvalidError();
    const [headerSegment, payloadSegment, signature, ...others] = signed.split('.', 4);
    if (!signature || others.length > 0 || !isCanonicalBase64url(signature)) throw new AccessTokenInvalidError();
    const header = this.headers.get(headerSegment!) ?? readHeader(headerSegment!);
    const { kid, alg } = header;
    const key = await this.keys.find(kid, alg);
    const input = signed.slice(0, -signature.length - 1);
    if (key?.algorithm !== alg || !isSignature(Buffer.from(signature, 'base64url'), input, key)) {
      // Why a foreign token is wrong is nobody's business; the code tells the client what to do.
      throw new AccessTokenInvalidError();
    }
    if (this.headers.size < MAX_CACHED_HEADERS) this.headers.set(headerSegment!, header);
    const payload = parseSegment(payloadSegment!) ?? {};
    const registered = this.checkClaims(payload);
    const revocationKeys = {
      sessionId: registered.sid,
      userId: registered.sub,
      accessVersion: registered.access_version,
      tokenVersion: registered.token_version,
    };
    const session = sessionOfClaims(registered, customClaims(payload), { revocationKeys, kid });
    return Object.freeze({ session, registered, revocationKeys, kid, algorithm: key.algorithm });
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
 * Reads a token's header. It may hold `alg`, `typ` and `kid`, as we issue it: whatever else a header can say (`jku`, `jwk`,
 * `x5u`, `crit`, `b64`) has no business in our tokens.
 */
function readHeader(segment: string): TokenHeader {
  const { alg, kid, typ, ...others } = parseSegment(segment) ?? {};
  if (Object.keys(others).length > 0 || typ !== ACCESS_TOKEN_TYPE) throw new AccessTokenInvalidError();
  if (typeof alg !== 'string' || typeof kid !== 'string') throw new AccessTokenInvalidError();
  return { alg, kid };
}

function isWholeNumber(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}
