import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { branchOf } from '../rules/refresh-token.js';
import { SessionRandom } from '../session.runtime.js';
import { type SessionClaims, UserSession } from '../session.types.js';
import { uuidV7 } from '../rules/uuid.js';
import type { SessionRow } from '../store/statements.js';
import { TokenBinding } from './token-binding.js';
import { ACCESS_TOKEN_TYPE, type RegisteredClaims } from './access-token.js';

export interface SignedAccessToken {
  readonly token: string;
  readonly session: UserSession;
  /** Seconds from the database's present until the token expires. */
  readonly expiresIn: number;
  /** The database's present, in milliseconds since the epoch. */
  readonly issuedAt: number;
}

/** Longest signature in base64url characters: RSA with 2,048 bits; the others are shorter. */
const SIGNATURE_LENGTH = { ES256: 86, ES384: 128, RS256: 342, PS256: 342 } as const;

/** Mints access tokens from what a statement returned. */
@Injectable()
export class AccessTokenSigner {
  private readonly jwt = new JwtService();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly keys: KeyRing,
    private readonly random: SessionRandom,
    private readonly binding: TokenBinding,
  ) {}

  /** @param branch the generation and hash of the refresh token that goes with the access token */
  sign(row: SessionRow, branch: { readonly generation: number; readonly hash: Buffer }): SignedAccessToken {
    const { kid, privateKey, algorithm } = this.keys.signing;
    const { lifetime, issuer, audience } = this.options.accessToken;
    const registered: RegisteredClaims = {
      ...(issuer === undefined ? {} : { iss: issuer }),
      ...(audience === undefined ? {} : { aud: audience }),
      sub: row.user_id,
      sid: row.id,
      jti: uuidV7(row.now_ms, this.random.bytes(10)),
      iat: seconds(row.now_ms),
      // Never beyond the session: its end is the database's, so no tolerance applies.
      exp: seconds(Math.min(row.now_ms + lifetime, row.expires_ms)),
      auth_time: seconds(row.authenticated_ms),
      session_exp: seconds(row.expires_ms),
      generation: branch.generation,
      branch: branchOf(branch.hash),
      access_version: Number(row.access_version),
      access_uuid: row.access_auth_uuid,
      token_version: row.token_version,
      ...this.binding.claimOf(row.id, { ip: row.ip, userAgent: row.user_agent }),
    };
    const token = this.jwt.sign(
      { ...row.claims, ...registered },
      {
        privateKey: privateKey as unknown as Buffer,
        algorithm,
        keyid: kid,
        header: { alg: algorithm, typ: ACCESS_TOKEN_TYPE },
      },
    );
    return {
      token,
      session: sessionOfClaims(registered, row.claims),
      expiresIn: registered.exp - registered.iat,
      issuedAt: row.now_ms,
    };
  }

  /** The most characters that a token with these claims can have, at any generation. */
  lengthWith(userId: string, claims: SessionClaims): number {
    const { algorithm, issuer, audience } = this.options.accessToken;
    const uuid = '00000000-0000-0000-0000-000000000000';
    const payload: RegisteredClaims = {
      iss: issuer,
      aud: audience,
      sub: userId,
      sid: uuid,
      jti: uuid,
      iat: 9_999_999_999,
      exp: 9_999_999_999,
      auth_time: 9_999_999_999,
      session_exp: 9_999_999_999,
      generation: 9_999_999_999,
      branch: '00000000',
      access_version: Number.MAX_SAFE_INTEGER,
      access_uuid: uuid,
      token_version: 9_999_999_999,
      binding: '0'.repeat(22),
    };
    const kid = '0'.repeat(43);
    const header = JSON.stringify({ alg: algorithm, typ: ACCESS_TOKEN_TYPE, kid });
    return (
      base64urlLength(header) +
      base64urlLength(JSON.stringify({ ...claims, ...payload })) +
      SIGNATURE_LENGTH[algorithm] +
      2
    );
  }
}

/** The session that an access token's claims tell of; deeply frozen. */
export function sessionOfClaims(registered: RegisteredClaims, claims: SessionClaims): UserSession {
  return Object.freeze(
    new UserSession({
      id: registered.sid,
      userId: registered.sub,
      claims: deepFreeze(claims),
      authenticatedAt: new Date(registered.auth_time * 1000),
      expiresAt: new Date(registered.session_exp * 1000),
    }),
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

function base64urlLength(text: string): number {
  return Math.ceil((Buffer.byteLength(text) * 4) / 3);
}
