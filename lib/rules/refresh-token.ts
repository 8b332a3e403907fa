import { timingSafeEqual } from 'node:crypto';
import { sha256, type ServerKeys } from './server-keys.js';
import { uuidFromBytes, writeUuid } from '../common/uuid.js';

/**
 * The refresh token: version(1) · session id(16) · generation(4) · secret(32) · tag(16), base64url.
 *
 * The tag shows without a query that this server issued the token. Garbage therefore costs no query, and no attacker
 * can end a session with a forged "old" token.
 */
export interface RefreshToken {
  readonly sessionId: string;
  readonly generation: number;
  readonly secret: Buffer;
}

/** A token of which it is known who has issued it. */
export interface OpenedRefreshToken extends RefreshToken {
  /** The server secret that has issued it. */
  readonly issuer: ServerKeys;
}

/** The highest generation, at which a session ends; the column is a 32-bit integer. */
export const MAX_GENERATION = 2 ** 31 - 1;

export const SECRET_BYTES = 32;
export const SALT_BYTES = 16;

const VERSION = 1;
const TAG_BYTES = 16;
const SESSION_ID_AT = 1;
const GENERATION_AT = 17;
const SECRET_AT = 21;
const TAG_AT = SECRET_AT + SECRET_BYTES;
// 69 bytes are exactly 92 characters: no padding and no spare bits, so each token has one spelling only.
const CANONICAL = /^[A-Za-z0-9_-]{92}$/;

export function encodeRefreshToken({ sessionId, generation, secret }: RefreshToken, keys: ServerKeys): string {
  const bytes = Buffer.allocUnsafe(TAG_AT + TAG_BYTES);
  bytes[0] = VERSION;
  writeUuid(sessionId, bytes, SESSION_ID_AT);
  bytes.writeUInt32BE(generation, GENERATION_AT);
  bytes.set(secret, SECRET_AT);
  bytes.set(tagOf(bytes.subarray(0, TAG_AT), keys), TAG_AT);
  return bytes.toString('base64url');
}

/** Reads a token; undefined if it was not issued under one of the given server secrets. */
export function openRefreshToken(text: string, secrets: readonly ServerKeys[]): OpenedRefreshToken | undefined {
  if (!CANONICAL.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  const authenticated = bytes.subarray(0, TAG_AT);
  const tag = bytes.subarray(TAG_AT);
  const issuer = secrets.find(keys => timingSafeEqual(tag, tagOf(authenticated, keys)));
  if (!issuer || bytes[0] !== VERSION) return undefined;
  return {
    sessionId: uuidFromBytes(bytes.subarray(SESSION_ID_AT, GENERATION_AT)),
    generation: bytes.readUInt32BE(GENERATION_AT),
    secret: bytes.subarray(SECRET_AT, TAG_AT),
    issuer,
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
 * Derives the next generation of a token. The same parent and salt give the same child; neither the row nor the parent
 * suffices alone.
 *
 * @returns undefined for a salt of another form, or of a server secret that is not among the given ones
 */
export function deriveSuccessor(
  parent: RefreshToken,
  salt: Buffer,
  secrets: readonly ServerKeys[],
): RefreshToken | undefined {
  const id = salt.subarray(0, 4).toString('base64url');
  const keys = secrets.find(candidate => candidate.id === id);
  if (!keys || salt.length !== 4 + SALT_BYTES) return undefined;
  const generation = parent.generation + 1;
  const message = Buffer.allocUnsafe(SECRET_BYTES + SALT_BYTES + 20);
  message.set(parent.secret);
  message.set(salt.subarray(4), SECRET_BYTES);
  writeUuid(parent.sessionId, message, SECRET_BYTES + SALT_BYTES);
  message.writeUInt32BE(generation, SECRET_BYTES + SALT_BYTES + 16);
  return { sessionId: parent.sessionId, generation, secret: keys.chain.digest(message) };
}

function tagOf(authenticated: Buffer, keys: ServerKeys): Buffer {
  return keys.tag.digest(authenticated).subarray(0, TAG_BYTES);
}
