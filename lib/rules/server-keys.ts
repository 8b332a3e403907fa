import { createHmac, hash, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What one server secret is used for; every purpose has a key of its own (RFC 5869). */
export interface ServerKeys {
  /** Names the secret in the database without telling anything about it: 4 bytes, base64url. */
  readonly id: string;
  /** Derives the secret of a refresh token from that of its parent. */
  readonly chain: Buffer;
  /** Authenticates refresh tokens. */
  readonly tag: Buffer;
  /** Ties access tokens to a client's address and user agent. */
  readonly binding: Buffer;
  /** Encrypts access tokens. */
  readonly encryption: Buffer;
  /** Makes CSRF tokens. */
  readonly csrf: Buffer;
  /** Makes the marker cookies of sessions. */
  readonly marker: Buffer;
  /** Names the channel of notifications. */
  readonly channel: Buffer;
  /** Encrypts private signing keys. */
  readonly keyEncryption: Buffer;
}

/** The shortest server secret that is accepted, in bytes. */
export const SERVER_SECRET_BYTES = 32;

/** Derives the keys of every purpose from one server secret. */
export function deriveServerKeys(secret: string): ServerKeys {
  const derive = (label: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, '', `nestjs-jwt-session/${label}`, length));
  return {
    id: derive('id', 4).toString('base64url'),
    chain: derive('refresh-token/chain', 32),
    tag: derive('refresh-token/tag', 32),
    binding: derive('access-token/binding', 32),
    encryption: derive('access-token/encryption', 32),
    csrf: derive('csrf-token', 32),
    marker: derive('session-marker', 32),
    channel: derive('notification-channel', 32),
    keyEncryption: derive('signing-key/encryption', 32),
  };
}

export function hmacSha256(key: Buffer, ...parts: Buffer[]): Buffer {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return fromHex(hmac.digest('hex'));
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
  return fromHex(hash('sha256', data, 'hex'));
}

/** A digest by way of text: node:crypto gives each buffer memory of its own, which takes longer than the hash. */
function fromHex(digest: string): Buffer {
  return Buffer.from(digest, 'hex');
}
