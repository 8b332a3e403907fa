import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { KeyRing, type RingKey } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { isUuid } from '../rules/uuid.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import { SessionClock } from '../session.runtime.js';
import {
  ACCESS_TOKEN_TYPE,
  customClaims,
  LONGEST_ACCESS_TOKEN,
  type RegisteredClaims,
  type VerifiedToken,
} from './access-token.js';
import { sessionOfClaims } from './access-token-signer.js';
import { isCanonicalBase64url } from './base64url.js';

type TokenHeader = Record<string, unknown> & { readonly kid: string };

/** The last second that a `Date` can tell. */
const LAST_TIME = 8_640_000_000_000;

/** What `logIn` takes for a user id. */
const USER_ID = /^[^\0\p{Surrogate}]{1,255}$/u;

/** Checks what about an access token never changes: form, header, signature, issuer, audience, claims (RFC 8725). */
@Injectable()
export class AccessTokenVerifier {
  private readonly jwt = new JwtService();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly keys: KeyRing,
    private readonly clock: SessionClock,
  ) {}

  /**
   * Whether the token has expired is not checked: that changes, and log-out takes an expired one too.
   *
   * @throws AccessTokenInvalidError
   */
  async verify(token: string): Promise<VerifiedToken> {
    const { kid } = readHeader(token);
    const key = await this.keys.find(kid);
    if (!key) throw new AccessTokenInvalidError();
    this.checkSignature(token, key);
    const payload = parseObject(token.split('.', 2)[1]!) ?? {};
    const registered = this.checkClaims(payload);
    const standing = {
      sessionId: registered.sid,
      userId: registered.sub,
      accessVersion: registered.access_version,
      tokenVersion: registered.token_version,
    };
    return Object.freeze({ session: sessionOfClaims(registered, customClaims(payload)), registered, standing, kid });
  }

  private checkSignature(token: string, key: RingKey): void {
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
    const { issuer, audience, clockTolerance } = this.options.accessToken;
    const latest = (this.clock.now() + clockTolerance) / 1000;
    const times = ['iat', 'exp', 'auth_time', 'session_exp'];
    const counters = ['generation', 'access_version', 'token_version'];
    const sound =
      times.every(name => isWholeNumber(payload[name], LAST_TIME)) &&
      counters.every(name => isWholeNumber(payload[name], Number.MAX_SAFE_INTEGER)) &&
      ['sub', 'jti', 'branch', 'access_uuid'].every(name => typeof payload[name] === 'string') &&
      USER_ID.test(payload.sub as string) &&
      typeof payload.sid === 'string' &&
      isUuid(payload.sid) &&
      payload.iss === issuer &&
      payload.aud === audience &&
      (payload.iat as number) <= latest &&
      (payload.nbf === undefined || (typeof payload.nbf === 'number' && payload.nbf <= latest));
    if (!sound) throw new AccessTokenInvalidError();
    return Object.freeze(payload as unknown as RegisteredClaims);
  }
}

/**
 * Reads the header of a well-formed token. It may hold `alg`, `typ` and `kid`, as we issue it: whatever else a header can
 * say (`jku`, `jwk`, `x5u`, `crit`, `b64`) has no business in our tokens.
 */
function readHeader(token: string): TokenHeader {
  if (typeof token !== 'string' || token.length > LONGEST_ACCESS_TOKEN) throw new AccessTokenInvalidError();
  const segments = token.split('.', 4);
  if (segments.length !== 3 || !segments.every(isCanonicalBase64url)) throw new AccessTokenInvalidError();
  const header = parseObject(segments[0]!);
  const members = Object.keys(header ?? {}).sort();
  if (members.join() !== 'alg,kid,typ' || header!.typ !== ACCESS_TOKEN_TYPE || typeof header!.kid !== 'string') {
    throw new AccessTokenInvalidError();
  }
  return header as TokenHeader;
}

function parseObject(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    // Spelled as we spell it: of a member that stands twice another parser could take the other value, and bytes that are
    // no UTF-8 are read differently by each.
    if (Buffer.from(JSON.stringify(value)).toString('base64url') !== segment) return undefined;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON: neither header nor claims.
    return undefined;
  }
}

function isWholeNumber(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}
