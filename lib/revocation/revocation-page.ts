import { createHash } from 'node:crypto';
import { isUuid } from '../common/uuid.js';
import type { EndedSession, RaisedVersion, RevocationsByKind } from '../rules/revocation-state.js';

/** The request header with a random value that the proof of the answer repeats. */
export const NONCE_HEADER = 'session-nonce';

/** The response header with the proof, a JWS of the issuing application. */
export const PROOF_HEADER = 'session-proof';

/** The `typ` of a proof, so that no access token is taken for one (RFC 8725, section 3.11). */
export const PROOF_TYPE = 'session-revocations+jwt';

/** The most facts of an answer, and the most hints of one kind and distrusted keys. */
export const MAX_PAGE_FACTS = 2_000;
export const MAX_PAGE_HINTS = 500;
export const MAX_PAGE_KEYS = 1_000;

const MAX_ID_LENGTH = 255;
export const MAX_REASON_LENGTH = 64;
const KEY_ID = /^[\x20-\x7e]{1,255}$/;

/** The process that wrote the page, and the number of the next fact of its log. */
const CURSOR = /^([\w-]{16})\.(\d{1,15})$/;

/** One page of what the issuing application has revoked. */
export interface RevocationPage extends RevocationsByKind {
  /** Where the next page begins. */
  readonly cursor: string;
  /** Whether the process that wrote the page knows more facts already. */
  readonly more: boolean;
  /** All distrusted keys. */
  readonly keys: readonly string[];
  /** What that process has heard since its last poll of the database, which confirms it or not. */
  readonly hints: RevocationsByKind;
}

/** What the issuing application says about a page, signed. */
export interface PageProof {
  /** Of the request: the answer is no older than the request. */
  readonly nonce: string;
  /** Of the page (`digestOf`). */
  readonly digest: string;
  /** The age of the process's knowledge, in milliseconds. */
  readonly staleness: number;
  /** The lifetime of access tokens, in milliseconds. */
  readonly lifetime: number;
  /** When it was signed, in seconds since the epoch. */
  readonly iat: number;
  readonly iss?: string;
}

export interface PageCursor {
  readonly processId: string;
  readonly next: number;
}

export function digestOf(page: string): string {
  return createHash('sha256').update(page).digest('base64url');
}

export function writeCursor({ processId, next }: PageCursor): string {
  return `${processId}.${next}`;
}

/** Undefined for a text that is no cursor. */
export function readCursor(text: string): PageCursor | undefined {
  const [, processId, next] = CURSOR.exec(text) ?? [];
  return processId === undefined ? undefined : { processId, next: Number(next) };
}

/**
 * Parses a page. One wrong element makes the whole page wrong: a revocation that is left out would be missing silently.
 * Members that this version does not know are left out.
 */
export function readPage(text: string): RevocationPage | undefined {
  try {
    const page = JSON.parse(text) as Record<string, unknown>;
    const { cursor, more, keys } = page;
    if (typeof cursor !== 'string' || !readCursor(cursor) || typeof more !== 'boolean') return undefined;
    const facts = readByKind(page, MAX_PAGE_FACTS);
    const hints = readByKind(page.hints as Record<string, unknown>, MAX_PAGE_HINTS);
    return { cursor, more, ...facts, keys: readList(keys, MAX_PAGE_KEYS, readKey), hints };
  } catch {
    // Not JSON, or of another form.
    return undefined;
  }
}

function readByKind({ sessions, users, claims }: Record<string, unknown>, max: number): RevocationsByKind {
  return {
    sessions: readList(sessions, max, readSession),
    users: readList(users, max, member => readVersion(member, () => true)),
    claims: readList(claims, max, member => readVersion(member, isUuid)),
  };
}

function readList<T>(value: unknown, max: number, read: (member: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > max) throw new TypeError('not a list of this length');
  return value.map(read);
}

function readSession(member: unknown): EndedSession {
  const { id, reason } = member as Record<string, unknown>;
  if (!isText(id, MAX_ID_LENGTH) || !isUuid(id) || !isText(reason, MAX_REASON_LENGTH))
    throw new TypeError('no session');
  return { id, reason };
}

function readVersion(member: unknown, isId: (id: string) => boolean): RaisedVersion {
  const { id, version } = member as Record<string, unknown>;
  if (!isText(id, MAX_ID_LENGTH) || !isId(id) || !Number.isSafeInteger(version)) throw new TypeError('no version');
  return { id, version: version as number };
}

function readKey(member: unknown): string {
  if (typeof member !== 'string' || !KEY_ID.test(member)) throw new TypeError('no key');
  return member;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length <= maxLength;
}
