import { timingSafeEqual } from 'node:crypto';
import { uuidFromBytes, writeUuid } from '../common/uuid.js';
import type { ServerKeys } from './server-keys.js';

/** A public key of P-256, as the big-endian coordinates of its point: 32 bytes each. */
export interface P256Point {
  readonly x: Buffer;
  readonly y: Buffer;
}

/** The session that a browser names when it refreshes, and the key that it has registered for it. */
export interface DbscSession {
  readonly sessionId: string;
  readonly point: P256Point;
}

/**
 * What a challenge is for: a refresh, or the registration after a login by a script, or by a navigation. Challenges of one
 * purpose do not count for another.
 */
export type ChallengePurpose = 'refresh' | 'script' | 'navigation';

const PURPOSES: readonly ChallengePurpose[] = ['refresh', 'script', 'navigation'];

/**
 * Browsers make six signatures per nine minutes and site, and send a signature again while the challenge is the same.
 * Challenges for a refresh therefore change with the time only.
 */
const REFRESH_PERIOD_SECONDS = 300;

/** How far the clocks of two processes may be apart. */
const MAX_SKEW_SECONDS = 60;

const COORDINATE_BYTES = 32;
const TAG_BYTES = 16;
const X_AT = 16;
const Y_AT = X_AT + COORDINATE_BYTES;
const TAG_AT = Y_AT + COORDINATE_BYTES;
// 96 bytes are exactly 128 characters, and 24 are 32: no padding and no spare bits.
const IDENTIFIER = /^[\w-]{128}$/;
const CHALLENGE = /^[\w-]{32}$/;
const TIME_BYTES = 4;
const MAC_BYTES = 20;

/**
 * The `session_identifier` of DBSC: session id(16) · x(32) · y(32) · tag(16), base64url. It carries the public key, so that
 * no statement reads it, and the tag, so that what this server has not made costs no statement.
 */
export function encodeIdentifier({ sessionId, point }: DbscSession, keys: ServerKeys): string {
  const bytes = Buffer.allocUnsafe(TAG_AT + TAG_BYTES);
  writeUuid(sessionId, bytes, 0);
  bytes.set(point.x, X_AT);
  bytes.set(point.y, Y_AT);
  bytes.set(tagOf(bytes.subarray(0, TAG_AT), keys), TAG_AT);
  return bytes.toString('base64url');
}

/** Reads an identifier; undefined if it was not made under one of the given server secrets. */
export function openIdentifier(text: string, secrets: readonly ServerKeys[]): DbscSession | undefined {
  if (!IDENTIFIER.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  const authenticated = bytes.subarray(0, TAG_AT);
  const tag = bytes.subarray(TAG_AT);
  if (!secrets.some(keys => timingSafeEqual(tag, tagOf(authenticated, keys)))) return undefined;
  return {
    sessionId: uuidFromBytes(bytes.subarray(0, X_AT)),
    point: { x: bytes.subarray(X_AT, Y_AT), y: bytes.subarray(Y_AT, TAG_AT) },
  };
}

/**
 * A challenge that needs no table: time of issue(4) · HMAC(20), base64url.
 *
 * @param now milliseconds since the epoch
 */
export function newChallenge(sessionId: string, purpose: ChallengePurpose, now: number, keys: ServerKeys): string {
  const second = Math.floor(now / 1000);
  const time = Buffer.allocUnsafe(TIME_BYTES);
  time.writeUInt32BE(purpose === 'refresh' ? second - (second % REFRESH_PERIOD_SECONDS) : second);
  return Buffer.concat([time, macOf(time, sessionId, purpose, keys)]).toString('base64url');
}

/**
 * Whether a challenge was made for this session and purpose, under one of the given secrets, and is not too old.
 *
 * @param now milliseconds since the epoch
 * @param maxAge milliseconds
 */
export function isChallenge(
  text: string,
  sessionId: string,
  purpose: ChallengePurpose,
  now: number,
  maxAge: number,
  secrets: readonly ServerKeys[],
): boolean {
  if (!CHALLENGE.test(text)) return false;
  const bytes = Buffer.from(text, 'base64url');
  const time = bytes.subarray(0, TIME_BYTES);
  const mac = bytes.subarray(TIME_BYTES);
  if (!secrets.some(keys => timingSafeEqual(mac, macOf(time, sessionId, purpose, keys)))) return false;
  const age = now / 1000 - time.readUInt32BE();
  return age >= -MAX_SKEW_SECONDS && age <= maxAge / 1000;
}

function tagOf(authenticated: Buffer, { dbscIdentifier }: ServerKeys): Buffer {
  return dbscIdentifier.digest(authenticated).subarray(0, TAG_BYTES);
}

function macOf(time: Buffer, sessionId: string, purpose: ChallengePurpose, { dbscChallenge }: ServerKeys): Buffer {
  const message = Buffer.alloc(TIME_BYTES + 16 + 1);
  message.set(time);
  writeUuid(sessionId, message, TIME_BYTES);
  message[TIME_BYTES + 16] = PURPOSES.indexOf(purpose);
  return dbscChallenge.digest(message).subarray(0, MAC_BYTES);
}
