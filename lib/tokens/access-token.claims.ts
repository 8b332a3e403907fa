import { isUuid, timeOfUuid } from '../common/uuid.js';
import type { AccessTokenAlgorithm } from '../options/token-options.js';
import type { RevocationKeys, TokenActor } from '../rules/revocation-state.js';
import { type KeyClaims, keyKindOf } from '../rules/session-key.js';
import { type SessionClaims, type SessionFields, UserSession } from '../session.types.js';

/**
 * The claims that every access token has (RFC 9068, section 2.2, and the library's own). Custom claims lie beside them,
 * where foreign verifiers expect them, and must not have these names.
 */
export interface RegisteredClaims extends KeyClaims {
  readonly iss?: string;
  readonly aud?: string;
  readonly sub: string;
  readonly sid: string;
  readonly jti: string;
  /** Seconds, from the time that the database's statement returned. */
  readonly iat: number;
  readonly exp: number;
  readonly auth_time: number;
  /** Seconds: when the session ends unless it is refreshed. */
  readonly session_exp: number;
  /** The refresh token's generation and branch at issue: use of the access token confirms that they arrived. */
  readonly generation: number;
  readonly branch: string;
  /** The versions in the user-auth row and the session row at issue. */
  readonly access_version: number;
  readonly token_version: number;
  /** Who impersonates the user (RFC 8693, section 4.1), by which session and at which access version. */
  readonly act?: { readonly sub: string; readonly sid: string; readonly access_version: number };
  /** Binds the token to its client, where `binding` says `always`. */
  readonly binding?: string;
}

/**
 * Names that custom claims must not have: the claims above, and those with a standard meaning (RFC 7519, section 4.1).
 */
export const REGISTERED_CLAIMS: ReadonlySet<string> = new Set([
  'iss',
  'aud',
  'sub',
  'sid',
  'jti',
  'iat',
  'exp',
  'nbf',
  'auth_time',
  'session_exp',
  'generation',
  'branch',
  'access_version',
  'token_version',
  'binding',
  'cnf',
  'bound',
  'bound_new',
  'act',
  // These names change the claims object itself instead of adding a member, and other JWT libraries look names up in
  // plain objects.
  ...Object.getOwnPropertyNames(Object.prototype),
  'prototype',
  'toJSON',
]);

/** A new access token. */
export interface SignedAccessToken {
  readonly token: string;
  readonly session: UserSession;
  /** Seconds from `issuedAt` until the token expires. */
  readonly expiresIn: number;
  /** The database's time of issue, in milliseconds since the epoch. */
  readonly issuedAt: number;
}

/** How long the session lives from the issue of the token. */
export function secondsUntilEnd({ session, issuedAt }: SignedAccessToken): number {
  return Math.ceil((session.expiresAt.getTime() - issuedAt) / 1000);
}

/** Splits a verified payload into what the library put there and what the application did. */
export function customClaims(payload: Record<string, unknown>): SessionClaims {
  const claims: SessionClaims = {};
  for (const name of Object.keys(payload)) {
    if (!REGISTERED_CLAIMS.has(name)) claims[name] = payload[name];
  }
  return claims;
}

/** The session that the claims of a new access token describe; deeply frozen. */
export function sessionOfClaims(registered: RegisteredClaims, claims: SessionClaims): UserSession {
  const session = new UserSession(fieldsOf(registered, claims));
  Object.freeze(session);
  return session;
}

/**
 * A verified access token; frozen, because one object serves every request that brings the token. It is flat, and has
 * only what is checked for each request: thousands of them are kept.
 */
export class VerifiedToken implements RevocationKeys {
  readonly session: UserSession;
  readonly sessionId: string;
  readonly userId: string;
  readonly accessVersion: number;
  readonly tokenVersion: number;
  readonly generation: number;
  readonly branch: string;
  readonly binding: string | undefined;
  readonly actor: TokenActor | undefined;
  /** Requests with the token need a proof of this key: the thumbprint of RFC 7638. */
  readonly jkt: string | undefined;
  /** The key that was registered with this token: the first bytes of its thumbprint, base64url. Its use confirms it. */
  readonly newKey: string | undefined;
  readonly jti: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;

  /**
   * @param custom the claims that the application has put into the token
   * @param kid the key that has signed it
   */
  constructor(
    registered: RegisteredClaims,
    custom: SessionClaims,
    readonly kid: string,
    readonly algorithm: AccessTokenAlgorithm,
  ) {
    this.session = new TokenSession(fieldsOf(registered, custom), this);
    Object.freeze(this.session);
    this.sessionId = registered.sid;
    this.userId = registered.sub;
    this.accessVersion = registered.access_version;
    this.tokenVersion = registered.token_version;
    this.generation = registered.generation;
    this.branch = registered.branch;
    this.binding = registered.binding;
    this.actor = actorOf(registered);
    this.jkt = registered.cnf?.jkt;
    this.newKey = registered.bound_new && registered.bound;
    this.jti = registered.jti;
    this.iat = registered.iat;
    this.exp = registered.exp;
    Object.freeze(this);
  }

  /** The database's time of issue, in milliseconds since the epoch. */
  get issuedAt(): number {
    return isUuid(this.jti) ? timeOfUuid(this.jti) : this.iat * 1000;
  }

  /** The token of a session that came with a request; undefined for the session of a login. */
  static of(session: UserSession): VerifiedToken | undefined {
    return TokenSession.tokenOf(session);
  }
}

/** A session with its token; a separate map would slow down every garbage collection. */
class TokenSession extends UserSession {
  readonly #token: VerifiedToken;

  constructor(fields: SessionFields, token: VerifiedToken) {
    super(fields);
    this.#token = token;
  }

  static tokenOf(session: UserSession): VerifiedToken | undefined {
    return #token in session ? session.#token : undefined;
  }
}

function fieldsOf(registered: RegisteredClaims, claims: SessionClaims): SessionFields {
  const { sid, sub, auth_time, session_exp } = registered;
  const authenticatedAt = new Date(auth_time * 1000);
  const expiresAt = new Date(session_exp * 1000);
  return {
    id: sid,
    userId: sub,
    claims: deepFreeze(claims),
    authenticatedAt,
    expiresAt,
    boundBy: keyKindOf(registered),
    actor: registered.act && Object.freeze({ userId: registered.act.sub, sessionId: registered.act.sid }),
  };
}

function actorOf({ act }: RegisteredClaims): TokenActor | undefined {
  return act && { userId: act.sub, sessionId: act.sid, accessVersion: act.access_version };
}

/** The claim `act` of a session's tokens. */
export function actClaimOf({ userId, sessionId, accessVersion }: TokenActor): NonNullable<RegisteredClaims['act']> {
  return { sub: userId, sid: sessionId, access_version: accessVersion };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}

/** The maximum length of an access token: longer ones are refused before any parsing or cryptography. */
export const MAX_ACCESS_TOKEN_LENGTH = 8_192;

/** The `typ` of an access token (RFC 9068, section 2.1). */
export const ACCESS_TOKEN_TYPE = 'at+jwt';
