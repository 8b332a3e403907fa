import { Injectable } from '@nestjs/common';
import { signatureBytes } from '../keys/key-pair.js';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ClientInfo } from '../common/client-address.js';
import { branchOf } from '../rules/refresh-token.js';
import { keyClaimsOf, type SessionKey } from '../rules/session-key.js';
import type { SessionActor, SessionClaims } from '../session.types.js';
import { uuidV7 } from '../common/uuid.js';
import type { SessionRow } from '../store/sql-fragments.js';
import { TokenBinding } from './token-binding.js';
import {
  ACCESS_TOKEN_TYPE,
  actClaimOf,
  type RegisteredClaims,
  sessionOfClaims,
  type SignedAccessToken,
} from './access-token.claims.js';
import { AccessTokenEncryption } from './access-token-encryption.js';
import { base64urlLength } from './base64url.js';
import { JwtServices } from './jwt-services.js';
import { withLowS } from './signature-form.js';

const LONGEST_KEY_CLAIMS = keyClaimsOf({ kind: 'dpop', thumbprint: Buffer.alloc(32) });

/** Signs access tokens for the row that a statement returned. */
@Injectable()
export class AccessTokenSigner {
  private readonly jwt = new JwtServices();
  /** The longest form of the tokens of a key, without what differs between them. */
  private longest?: { readonly kid: string; readonly header: number; readonly payload: number };

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly keys: KeyRing,
    private readonly binding: TokenBinding,
    private readonly encryption: AccessTokenEncryption,
  ) {}

  /**
   * @param branch the generation and hash of the refresh token that goes with the access token
   * @param client the one that gets the token
   * @param sessionKey the one that the session is bound to
   */
  async sign(
    row: SessionRow,
    branch: { readonly generation: number; readonly hash: Buffer },
    client: ClientInfo,
    sessionKey?: SessionKey,
  ): Promise<SignedAccessToken> {
    const key = this.keys.requireSigningKey();
    const { lifetime, jitter, issuer, audience } = this.options.accessToken;
    const payload: SessionClaims & RegisteredClaims = {
      // JSON leaves out what is undefined.
      iss: issuer,
      aud: audience,
      sub: row.user_id,
      sid: row.id,
      jti: uuidV7(row.now_ms),
      iat: seconds(row.now_ms),
      // Never beyond the session: its end is the database's, so no tolerance applies.
      exp: seconds(Math.min(row.now_ms + lifetime - jitter * Math.random(), row.expires_ms)),
      auth_time: seconds(row.authenticated_ms),
      session_exp: seconds(row.expires_ms),
      generation: branch.generation,
      branch: branchOf(branch.hash),
      access_version: Number(row.access_version),
      token_version: row.token_version,
      binding: this.binding.claimOf(row.id, client),
    };
    if (row.actor) Object.assign(payload, { act: actClaimOf(row.actor) });
    if (sessionKey) Object.assign(payload, keyClaimsOf(sessionKey));
    // Copied one by one: spreading both objects into a new one takes half as long as a signature. No custom claim
    // replaces a registered one.
    for (const name of Object.keys(row.claims)) {
      if (!(name in payload)) payload[name] = row.claims[name];
    }
    const jwt = this.jwt.of(key, ({ kid, privateKey, algorithm }) => ({
      privateKey,
      // The payload is ours and need not be copied: a copy takes as long as a signature by some algorithms.
      signOptions: { algorithm, header: { alg: algorithm, typ: ACCESS_TOKEN_TYPE, kid }, mutatePayload: true },
    }));
    const signed = jwt.sign(payload);
    return {
      token: await this.encryption.seal(withLowS(signed, key.algorithm), key.kid),
      session: sessionOfClaims(payload, row.claims),
      expiresIn: payload.exp - payload.iat,
      issuedAt: row.now_ms,
    };
  }

  /** The most characters that a token with these claims can have, at any generation. */
  lengthWith(userId: string, claims: SessionClaims, actor?: SessionActor | null): number {
    const { kid, algorithm, publicKey } = this.keys.requireSigningKey();
    if (this.longest?.kid !== kid) this.longest = { kid, ...this.measure(kid, algorithm) };
    const { header, payload } = this.longest;
    // The braces of an empty payload are those of the claims.
    const act = actor && { act: actClaimOf({ ...actor, accessVersion: Number.MAX_SAFE_INTEGER }) };
    // The braces of the claim are as long as its comma and one more.
    const bytes = payload + bytesOf(userId) + bytesOf(claims) + (act ? bytesOf(act) : 0);
    const lengths = [header, bytes, signatureBytes(algorithm, publicKey)].map(base64urlLength);
    return this.encryption.lengthOf(
      lengths.reduce((sum, length) => sum + length + 1, -1),
      kid,
    );
  }

  /** The most bytes of a header, and of a payload without user id and custom claims. */
  private measure(kid: string, alg: string): { header: number; payload: number } {
    const { issuer, audience } = this.options.accessToken;
    const uuid = '00000000-0000-0000-0000-000000000000';
    const payload: Omit<RegisteredClaims, 'sub'> = {
      iss: issuer,
      aud: audience,
      sid: uuid,
      jti: uuid,
      iat: 9_999_999_999,
      exp: 9_999_999_999,
      auth_time: 9_999_999_999,
      session_exp: 9_999_999_999,
      generation: 9_999_999_999,
      branch: '00000000',
      access_version: Number.MAX_SAFE_INTEGER,
      token_version: 9_999_999_999,
      binding: '0'.repeat(22),
      ...(this.options.binding.key === 'off' ? {} : LONGEST_KEY_CLAIMS),
    };
    return { header: bytesOf({ alg, typ: ACCESS_TOKEN_TYPE, kid }), payload: bytesOf(payload) + ',"sub":'.length };
  }
}

/** The length of a value as JSON. */
function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
