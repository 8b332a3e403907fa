import { randomBytes } from 'node:crypto';
import {
  branchOf,
  deriveSuccessor,
  encodeRefreshToken,
  hashOf,
  newSalt,
  type RefreshToken,
  SALT_BYTES,
  SECRET_BYTES,
} from '../../lib/rules/refresh-token.js';
import type { GivenToken, RotationState } from '../../lib/rules/rotation.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { type SessionSeed, sessionSeed } from './session-rows.js';
import { SECRET } from './test-app.js';

/**
 * Everything that the rotation protocol can meet, as seen from a row: each state of the row with each token. Hashes are
 * named by their roles, so that a state is at once one of the pure rules and, by `SessionInSpace`, a row of the table.
 */

const GENERATION = 5;
const MINUTE = 60_000;
const ISSUES = [undefined, 'known', 'later'] as const;

export const STATES: readonly RotationState[] = [null, 'successor'].flatMap(successorHash =>
  [null, 'previous'].flatMap(previousHash =>
    [true, false].map(inWindow => ({
      generation: GENERATION,
      tokenHash: 'current',
      successorHash,
      previousHash,
      inWindow,
    })),
  ),
);

/**
 * Each hash at each generation; `foreign` is a hash that the row does not have. Those beyond the row come with and
 * without the access token that was issued with them.
 */
export const TOKENS: readonly GivenToken[] = [-3, -2, -1, 0, 1, 2].flatMap(distance =>
  ['previous', 'current', 'successor', 'foreign'].flatMap(hash =>
    ISSUES.filter(issue => distance > 0 || issue === undefined).map(issue => ({
      generation: GENERATION + distance,
      hash,
      issue,
    })),
  ),
);

/** The key of a state with a token, at any generation. */
export function pairKey({ generation, successorHash, previousHash, inWindow }: RotationState, token: GivenToken) {
  return [successorHash, previousHash, inWindow, token.generation - generation, token.hash, token.issue].join(' ');
}

export function describePair({ successorHash, previousHash, inWindow }: RotationState, token: GivenToken) {
  const row = ['current', successorHash, previousHash].filter(Boolean).join('+');
  const issue = token.issue ? ` with an access token that is ${token.issue}` : '';
  return `${row} ${inWindow ? 'in' : 'after'} window, ${token.hash} as ${token.generation}${issue}`;
}

const KEYS = deriveServerKeys(SECRET);

/** A row of the table as the roles of what it holds. */
export interface NamedRow extends Omit<RotationState, 'inWindow'> {
  readonly successorSalt: string | null;
  readonly previousSalt: string | null;
}

/** The salts that belong to a state: each token was made from its parent with its own. */
export function namedRow({ generation, tokenHash, successorHash, previousHash }: RotationState): NamedRow {
  return {
    generation,
    tokenHash,
    successorHash,
    previousHash,
    successorSalt: successorHash && `salt of ${successorHash}`,
    previousSalt: previousHash && `salt of ${tokenHash}`,
  };
}

export interface StoredRow {
  readonly generation: number;
  readonly token_hash: Buffer;
  readonly successor_hash: Buffer | null;
  readonly successor_salt: Buffer | null;
  readonly previous_hash: Buffer | null;
  readonly previous_salt: Buffer | null;
}

/** A session in one of the states, with secrets that really descend from each other. */
export class SessionInSpace {
  readonly seed: SessionSeed;
  private readonly tokens = new Map<string, RefreshToken>();
  private readonly names = new Map<string, string>();

  constructor(state: RotationState, differences: Partial<SessionSeed> = {}) {
    const { id } = sessionSeed(differences);
    const stranger = (name: string, generation: number) =>
      this.learn(name, { sessionId: id, generation, secret: randomBytes(SECRET_BYTES) });
    const previous = stranger('previous', GENERATION - 1);
    const current = this.descendant('current', previous);
    const successor = this.descendant('successor', current.token);
    stranger('foreign', GENERATION);
    this.seed = sessionSeed({
      id,
      generation: GENERATION,
      tokenHash: hashOf(current.token.secret),
      ...(state.successorHash
        ? { successorHash: hashOf(successor.token.secret), successorSalt: successor.salt }
        : { successorHash: null, successorSalt: null }),
      ...(state.previousHash ? { previousHash: hashOf(previous.secret), previousSalt: current.salt } : {}),
      leewayUntil: state.inWindow ? MINUTE : -MINUTE,
      ...differences,
    });
  }

  refreshToken({ generation, hash }: GivenToken): string {
    return encodeRefreshToken({ ...this.token(hash), generation }, KEYS);
  }

  hash(role: string): Buffer {
    return hashOf(this.token(role).secret);
  }

  branch(role: string): string {
    return branchOf(hashOf(this.token(role).secret));
  }

  /** Names a successor that was minted from the token, if it was derived as the protocol says. */
  learnCandidate(name: string, { generation, hash }: GivenToken, row: StoredRow): void {
    if (!row.successor_hash || !row.successor_salt || this.names.has(row.successor_hash.toString('hex'))) return;
    const child = deriveSuccessor({ ...this.token(hash), generation }, row.successor_salt, [KEYS]);
    if (!child || !hashOf(child.secret).equals(row.successor_hash)) return;
    this.learn(name, child);
    this.names.set(row.successor_salt.toString('hex'), `salt of ${name}`);
  }

  nameOf(bytes: Buffer | null): string | null {
    return bytes && (this.names.get(bytes.toString('hex')) ?? 'unheard of');
  }

  named(row: StoredRow): NamedRow {
    return {
      generation: row.generation,
      tokenHash: this.nameOf(row.token_hash)!,
      successorHash: this.nameOf(row.successor_hash),
      successorSalt: this.nameOf(row.successor_salt),
      previousHash: this.nameOf(row.previous_hash),
      previousSalt: this.nameOf(row.previous_salt),
    };
  }

  private token(role: string): RefreshToken {
    return this.tokens.get(role)!;
  }

  private learn(name: string, token: RefreshToken): RefreshToken {
    this.tokens.set(name, token);
    this.names.set(hashOf(token.secret).toString('hex'), name);
    return token;
  }

  private descendant(name: string, parent: RefreshToken): { token: RefreshToken; salt: Buffer } {
    const salt = newSalt(KEYS, randomBytes(SALT_BYTES));
    this.names.set(salt.toString('hex'), `salt of ${name}`);
    return { token: this.learn(name, deriveSuccessor(parent, salt, [KEYS])!), salt };
  }
}
