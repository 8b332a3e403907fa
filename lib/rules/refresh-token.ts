import { timingSafeEqual } from 'node:crypto';
import { hmacSha256, sha256, type ServerKeys } from './server-keys.js';
import { uuidFromBytes, uuidToBytes } from '../common/uuid.js';

/**
 * The refresh token: version(1) · session id(16) · generation(4) · secret(32) · tag(16), base64url.
 *
 * The tag tells a token that this server once issued from a made-up one without touching the database, so that
 * garbage costs no query and no attacker can end a session with a forged "old" token.
 */
export interface RefreshToken {
  readonly sessionId: string;
  readonly generation: number;
  readonly secret: Buffer;
}

/** The highest generation, at which a session ends; the column is a 32-bit integer. */
export const MAX_GENERATION = 2 ** 31 - 1;

export const SECRET_BYTES = 32;
export const SALT_BYTES = 16;

const VERSION = 1;
const TAG_BYTES = 16;
const AUTHENTICATED_BYTES = 1 + 16 + 4 + SECRET_BYTES;
// 69 bytes are exactly 92 characters: no padding and no spare bits, so each token has one spelling only.
const CANONICAL = /^[A-Za-z0-9_-]{92}$/;

export function encodeRefreshToken(token: RefreshToken, keys: ServerKeys): string {
  const generation = Buffer.alloc(4);
  generation.writeUInt32BE(token.generation);
  const authenticated = Buffer.concat([Buffer.of(VERSION), uuidToBytes(token.sessionId), generation, token.secret]);
  return Buffer.concat([authenticated, tagOf(authenticated, keys)]).toString('base64url');
}

/** The token behind `text`, or undefined for whatever none of the given server secrets has issued. */
export function openRefreshToken(text: string, secrets: readonly ServerKeys[]): RefreshToken | undefined {
  if (!CANONICAL.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  const authenticated = bytes.subarray(0, AUTHENTICATED_BYTES);
  const tag = bytes.subarray(AUTHENTICATED_BYTES);
  if (!secrets.some(keys => timingSafeEqual(tag, tagOf(authenticated, keys)))) return undefined;
  if (bytes[0] !== VERSION) return undefined;
  return {
    sessionId: uuidFromBytes(bytes.subarray(1, 17)),
    generation: bytes.readUInt32BE(17),
    secret: bytes.subarray(21, 21 + SECRET_BYTES),
  };
}

/** What the database keeps of a token's secret. A fast hash suffices: the secret has 256 random bits. */
export function hashOf(secret: Buffer): Buffer {
  return sha256(secret);
}

/** How an access token names the branch that its refresh token is on: the first 6 bytes of the hash. */
export function branchOf(hash: Buffer): string {
  return hash.subarray(0, 6).toString('base64url');
}

/** The salt column: which server secret derives the child (4 bytes), then 16 random bytes. */
export function newSalt(keys: ServerKeys, random: Buffer): Buffer {
  return Buffer.concat([Buffer.from(keys.id, 'base64url'), random]);
}

/**
 * The next generation of a token. The same parent gives the same child while the salt is kept;
 * neither the row nor the parent suffices alone.
 *
 * @returns undefined when the server secret that the salt names is not among the given ones
 */
export function deriveSuccessor(
  parent: RefreshToken,
  salt: Buffer,
  secrets: readonly ServerKeys[],
): RefreshToken | undefined {
  const id = salt.subarray(0, 4).toString('base64url');
  const keys = secrets.find(candidate => candidate.id === id);
  if (!keys) return undefined;
  const generation = Buffer.alloc(4);
  generation.writeUInt32BE(parent.generation + 1);
  return {
    sessionId: parent.sessionId,
    generation: parent.generation + 1,
    secret: hmacSha256(keys.chain, parent.secret, salt.subarray(4), uuidToBytes(parent.sessionId), generation),
  };
}

function tagOf(authenticated: Buffer, keys: ServerKeys): Buffer {
  return hmacSha256(keys.tag, authenticated).subarray(0, TAG_BYTES);
}
