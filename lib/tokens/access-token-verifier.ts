import { Logger } from '@nestjs/common';
import type { VerificationKey, VerificationKeys } from '../keys/key-ring.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { isUuid } from '../common/uuid.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import type { SessionClock } from '../common/clock.js';
import {
  ACCESS_TOKEN_TYPE,
  customClaims,
  MAX_ACCESS_TOKEN_LENGTH,
  type RegisteredClaims,
  VerifiedToken,
} from './access-token.claims.js';
import { type AccessTokenEncryption, isEncrypted } from './access-token-encryption.js';
import { isCanonicalBase64url, parseSegment, segmentOf } from './base64url.js';
import { JwtServices } from './jwt-services.js';
import { hasSignatureForm } from './signature-form.js';

interface TokenHeader {
  readonly alg: string;
  readonly kid: string;
}

/** Headers that are remembered: one for each signing key of the last days. */
const MAX_CACHED_HEADERS = 100;

/** SHA-256 (RFC 9449, section 6.1). */
const THUMBPRINT = /^[\w-]{43}$/;

/** The last second that a `Date` can hold. */
const LAST_TIME = 8_640_000_000_000;

/** The user ids that `logIn` accepts. */
const USER_ID = /^[^\0\p{Surrogate}]{1,255}$/u;

/**
 * Checks the properties of an access token that never change (RFC 8725): form, header, signature, claims, issuer,
 * audience.
 *
 * `JwtService` verifies the signature. It also accepts what we never issue (a signature or JSON in another spelling, headers
 * such as `jku` and `crit`), so all forms are checked here.
 */
export class AccessTokenVerifier {
  private readonly logger = new Logger('SessionTokens');
  private readonly jwt = new JwtServices();
  private warned = false;
  /** The parsed headers of genuine tokens, by segment: they differ only by key. */
  private readonly headers = new Map<string, TokenHeader>();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly keys: VerificationKeys,
    private readonly clock: SessionClock,
    private readonly encryption?: AccessTokenEncryption,
  ) {
    const { issuer, audience } = options.accessToken;
    if (issuer !== undefined && audience !== undefined) return;
    this.logger.warn(
      'access tokens have no "iss" or no "aud", which RFC 9068 requires: set "issuer" and "audience", so that a service refuses tokens that were issued for another one',
    );
  }

  /**
   * Expiry is not checked here: it changes with time, and log-out accepts an expired token too.
   *
   * @throws AccessTokenInvalidError
   */
  async verify(token: string, keys = this.keys): Promise<VerifiedToken> {
    if (typeof token !== 'string' || token.length > MAX_ACCESS_TOKEN_LENGTH) throw new AccessTokenInvalidError();
    const signed = isEncrypted(token) ? await this.encryption?.open(token) : token;
    if (signed === undefined) throw new AccessTokenInvalidError();
    const [headerSegment, payloadSegment, signature, ...others] = signed.split('.', 4);
    if (!signature || others.length > 0 || !isCanonicalBase64url(signature)) throw new AccessTokenInvalidError();
    const header = this.headers.get(headerSegment!) ?? readHeader(headerSegment!);
    const { kid, alg } = header;
    const key = await keys.find(kid, alg);
    // The algorithm is the key's own, never what a token says: no `none`, no HMAC with a public key.
    if (key?.algorithm !== alg) throw new AccessTokenInvalidError();
    if (!hasSignatureForm(Buffer.from(signature, 'base64url'), key.algorithm, key.publicKey)) {
      throw new AccessTokenInvalidError();
    }
    const payload = this.verifySignature(signed, key);
    if (this.headers.size < MAX_CACHED_HEADERS) this.headers.set(headerSegment!, header);
    // Another parser may read a repeated member, or bytes that are not UTF-8, in another way.
    if (segmentOf(payload) !== payloadSegment) throw new AccessTokenInvalidError();
    const registered = this.checkClaims(payload);
    return new VerifiedToken(registered, customClaims(payload), key.kid, key.algorithm);
  }

  private verifySignature(token: string, key: VerificationKey): Record<string, unknown> {
    const jwt = this.jwt.of(key, ({ algorithm, publicKey }) => ({
      publicKey,
      verifyOptions: { algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true },
    }));
    return withoutStack(() => {
      try {
        return jwt.verify(token);
      } catch {
        // The reason is not disclosed; the error code is all that a client needs.
        throw new AccessTokenInvalidError();
      }
    });
  }

  private checkClaims(payload: Record<string, unknown>): RegisteredClaims {
    const latest = (this.clock.now() + this.options.accessToken.clockTolerance) / 1000;
    const times = ['iat', 'exp', 'auth_time', 'session_exp'];
    const counters = ['generation', 'access_version', 'token_version'];
    const sound =
      times.every(name => isWholeNumber(payload[name], LAST_TIME)) &&
      counters.every(name => isWholeNumber(payload[name], Number.MAX_SAFE_INTEGER)) &&
      ['sub', 'jti', 'branch'].every(name => typeof payload[name] === 'string') &&
      USER_ID.test(payload.sub as string) &&
      typeof payload.sid === 'string' &&
      isUuid(payload.sid) &&
      (payload.iat as number) <= latest &&
      (payload.nbf === undefined || (typeof payload.nbf === 'number' && payload.nbf <= latest)) &&
      isKeyConfirmation(payload.cnf) &&
      (payload.bound === undefined || typeof payload.bound === 'string') &&
      (payload.act === undefined || isActor(payload.act));
    if (!sound || !this.isMeantForUs(payload)) throw new AccessTokenInvalidError();
    return payload as unknown as RegisteredClaims;
  }

  private isMeantForUs({ iss, aud }: Record<string, unknown>): boolean {
    const { issuer, audience } = this.options.accessToken;
    if (iss === issuer && aud === audience) return true;
    // The signature is valid, so this is probably a wrong setting and not an attack.
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
 * Reads a token's header. It may have `alg`, `typ` and `kid`, as we issue it; `jku`, `jwk`, `x5u`, `crit`, `b64` and
 * any other member are refused.
 */
function readHeader(segment: string): TokenHeader {
  const { alg, kid, typ, ...others } = parseSegment(segment) ?? {};
  if (Object.keys(others).length > 0 || typ !== ACCESS_TOKEN_TYPE) throw new AccessTokenInvalidError();
  if (typeof alg !== 'string' || typeof kid !== 'string') throw new AccessTokenInvalidError();
  return { alg, kid };
}

/** No key, or the thumbprint of one that `DPoP` proves. How other keys are proved (RFC 7800) is not known here. */
function isKeyConfirmation(cnf: unknown): boolean {
  if (cnf === undefined) return true;
  if (typeof cnf !== 'object' || cnf === null || Object.keys(cnf).join() !== 'jkt') return false;
  const { jkt } = cnf as { jkt: unknown };
  return typeof jkt === 'string' && THUMBPRINT.test(jkt);
}

function isActor(act: unknown): boolean {
  const { sub, sid, access_version } = Object(act) as Record<string, unknown>;
  return (
    typeof sub === 'string' &&
    USER_ID.test(sub) &&
    typeof sid === 'string' &&
    isUuid(sid) &&
    isWholeNumber(access_version, Number.MAX_SAFE_INTEGER)
  );
}

function isWholeNumber(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

/**
 * Runs a task whose errors have no stack. Three are made for a forged token, and their stacks take a quarter of its
 * time, which anybody can make this process spend; all that they name is the code of this file.
 */
function withoutStack<T>(task: () => T): T {
  const { stackTraceLimit } = Error;
  // Not an assignment, which throws where the built-in objects are frozen.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return task();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}
