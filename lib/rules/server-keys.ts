import { hash, hkdfSync, timingSafeEqual } from 'node:crypto';
import { HmacKey } from './hmac-key.js';

/** What one server secret is used for; every purpose has a key of its own (RFC 5869). */
export interface ServerKeys {
  /** Identifies the secret in the database without revealing anything about it: 4 bytes, base64url. */
  readonly id: string;
  /** Derives the secret of a refresh token from that of its parent. */
  readonly chain: HmacKey;
  /** Authenticates refresh tokens. */
  readonly tag: HmacKey;
  /** Binds access tokens to a client's address and user agent. */
  readonly binding: HmacKey;
  /** Encrypts access tokens. */
  readonly encryption: HmacKey;
  /** Makes CSRF tokens. */
  readonly csrf: HmacKey;
  /** Makes the marker cookies of sessions. */
  readonly marker: HmacKey;
  /** Makes the nonces of DPoP proofs. */
  readonly nonce: HmacKey;
  /** Authenticates the identifiers of sessions that browsers have bound to a key (DBSC). */
  readonly dbscIdentifier: HmacKey;
  /** Makes the challenges that browsers sign (DBSC). */
  readonly dbscChallenge: HmacKey;
  /** Names the channel of notifications. */
  readonly channel: HmacKey;
  /** Encrypts private signing keys. */
  readonly keyEncryption: Buffer;
}

/** The shortest server secret that is accepted, in bytes. */
export const SERVER_SECRET_BYTES = 32;

/** Derives the keys of every purpose from one server secret. */
export function deriveServerKeys(secret: string): ServerKeys {
  const derive = (label: string, length = 32) =>
    Buffer.from(hkdfSync('sha256', secret, '', `nestjs-jwt-session/${label}`, length));
  const deriveHmacKey = (label: string) => new HmacKey(derive(label));
  return {
    id: derive('id', 4).toString('base64url'),
    chain: deriveHmacKey('refresh-token/chain'),
    tag: deriveHmacKey('refresh-token/tag'),
    binding: deriveHmacKey('access-token/binding'),
    encryption: deriveHmacKey('access-token/encryption'),
    csrf: deriveHmacKey('csrf-token'),
    marker: deriveHmacKey('session-marker'),
    nonce: deriveHmacKey('dpop/nonce'),
    dbscIdentifier: deriveHmacKey('dbsc/identifier'),
    dbscChallenge: deriveHmacKey('dbsc/challenge'),
    channel: deriveHmacKey('notification-channel'),
    keyEncryption: derive('signing-key/encryption'),
  };
}

/** Whether a base64url text is the digest that the keys of one of the accepted secrets make. */
export function isDigestOf(
  text: string,
  accepted: readonly ServerKeys[],
  digest: (keys: ServerKeys) => Buffer,
): boolean {
  const given = Buffer.from(text, 'base64url');
  return accepted.some(keys => {
    const expected = digest(keys);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

export function sha256(data: Buffer): Buffer {
  // As text first: node:crypto allocates memory for each buffer, which takes longer than the hash.
  return Buffer.from(hash('sha256', data, 'hex'), 'hex');
}
