/**
 * The rotation of refresh tokens as a table of named cases: docs/protocol.md. `decideRotation` and `decideUse` name the
 * case, `rotate` and `use` say how the row changes. The SQL in `store/rotation.statements.ts` does the same in one
 * statement each, which a differential test compares with these functions.
 */

/** Hashes are text here. They are SHA-256 of random secrets, so the time of a comparison tells nothing. */
export interface RotationState {
  /** The newest generation known to have reached the client. */
  readonly generation: number;
  readonly tokenHash: string;
  /** Generation + 1, minted but not yet seen in use. */
  readonly successorHash: string | null;
  readonly previousHash: string | null;
  /** Whether the database's clock is before `leeway_until`. */
  readonly inWindow: boolean;
  /** The thumbprint of the key that the session is bound to. */
  readonly key?: string | null;
}

export interface GivenToken {
  readonly generation: number;
  readonly hash: string;
  /** The thumbprint of the key that a proof has come of. */
  readonly key?: string;
  readonly issue?: TokenIssue;
}

/**
 * Shown by an access token that came with a refresh token: one answer of this server has issued both. `later` is an
 * answer after the last one that the row knows of, so that the database has lost a commit.
 */
export type TokenIssue = 'known' | 'later';

/** A refresh answers with a new or the same successor, the given token itself, or the current one. */
export type RotationAnswer = 'new-successor' | 'same-successor' | 'given' | 'current' | 'refused';

/** Every case of a refresh with its answer: the table of docs/protocol.md, which a test compares with this one. */
export const ROTATION_CASES = {
  mint: 'new-successor',
  'retry-in-window': 'same-successor',
  'retry-of-lost-response': 'new-successor',
  unchanged: 'given',
  confirm: 'given',
  'confirm-and-mint': 'new-successor',
  'late-parent': 'current',
  fork: 'refused',
  recent: 'refused',
  stale: 'refused',
  superseded: 'refused',
  recovered: 'given',
  unknown: 'refused',
  proved: 'given',
  'key-required': 'refused',
  'other-key': 'refused',
} as const satisfies Record<string, RotationAnswer>;

export type RotationCase = keyof typeof ROTATION_CASES;

export type RotationTheft = Extract<RotationCase, 'fork' | 'recent' | 'stale'>;

export function isTheft(name: RotationCase): name is RotationTheft {
  return name === 'fork' || name === 'recent' || name === 'stale';
}

/** Whether the answer was given before, to this client or to another one. */
export function isReplay(name: RotationCase): boolean {
  return name === 'retry-in-window' || name === 'retry-of-lost-response' || name === 'late-parent';
}

/** Names the case of a token with an authentic tag, for a session that is neither revoked nor expired. */
export function decideRotation(state: RotationState, given: GivenToken): RotationCase {
  if (state.key) return decideBound(state, state.key, given);
  if (given.generation < state.generation && state.previousHash === null) return decideSuperseded(state);
  switch (given.generation - state.generation) {
    case 0:
      return decideCurrent(state, given);
    case 1:
      return decideSuccessor(state, given);
    case -1:
      return decideParent(state, given);
    default:
      return given.generation < state.generation ? 'stale' : decideBeyond(given);
  }
}

/**
 * A generation that the row never had. Unless a key or the secret has leaked, the database has lost commits: a standby
 * that lacked them has taken its place, or a backup was restored. The tag alone is not enough: a holder of the secret
 * can make it.
 */
function decideBeyond({ issue }: GivenToken): RotationCase {
  return issue ? 'recovered' : 'unknown';
}

/**
 * A session that is bound to a key does not rotate (RFC 9700, section 4.14.2): a copy of its token is of no use without
 * the key, so a copy in use is no reason to end it.
 */
function decideBound(state: RotationState, key: string, given: GivenToken): RotationCase {
  if (given.key === undefined) return 'key-required';
  if (given.key !== key) return 'other-key';
  return given.generation === state.generation && given.hash === state.tokenHash ? 'proved' : 'unknown';
}

/**
 * The current token has no parent: the end of an impersonation has put it in the place of the actor's former tokens.
 * One of those may have been under way, and after the window the answer with the new one may have been lost.
 */
function decideSuperseded({ inWindow }: RotationState): RotationCase {
  return inWindow ? 'superseded' : 'recent';
}

function decideCurrent(state: RotationState, given: GivenToken): RotationCase {
  if (given.hash !== state.tokenHash) return 'fork';
  if (state.successorHash === null) return state.inWindow ? 'unchanged' : 'mint';
  // After the window the successor is replaced, so that two parties who share the parent cannot share one child: the
  // branch that is used first invalidates the other.
  return state.inWindow ? 'retry-in-window' : 'retry-of-lost-response';
}

function decideSuccessor(state: RotationState, given: GivenToken): RotationCase {
  if (state.successorHash === null) return decideBeyond(given);
  // Another successor was issued last, and its commit is lost.
  if (given.hash !== state.successorHash) return given.issue === 'later' ? 'recovered' : 'fork';
  return state.inWindow ? 'confirm' : 'confirm-and-mint';
}

function decideParent(state: RotationState, given: GivenToken): RotationCase {
  if (given.hash !== state.previousHash) return 'fork';
  return state.inWindow && state.successorHash === null ? 'late-parent' : 'recent';
}

/**
 * How old an access token may be, in milliseconds, that shows with which refresh token it was issued: a week. Its key is
 * kept for as long.
 */
export const MAX_ISSUE_AGE_MS = 604_800_000;

/** Milliseconds for a refresh without a window. */
const MAX_AGE_WITHOUT_LEEWAY = 10_000;

/**
 * How old a request may be, in milliseconds, when a statement acts on it: a third of the leeway. Its client may have
 * given it up and refreshed elsewhere since, and it must not look like a theft. Three times add up to the window of the
 * other refresh: that of its answer, that of this request until a process reads it (the client gives up each after a
 * third of the leeway), and this one.
 */
export function maxRequestAge(leeway: number): number {
  return leeway === 0 ? MAX_AGE_WITHOUT_LEEWAY : leeway / 3;
}

/** Whether a case restarts the window; the others leave `leeway_until` alone. */
export function startsWindow(name: RotationCase): boolean {
  return ['mint', 'retry-in-window', 'retry-of-lost-response', 'confirm', 'confirm-and-mint', 'recovered'].includes(
    name,
  );
}

/** The row after the case; `candidate` is the hash of the successor that would be minted. `inWindow` is not touched. */
export function rotate(
  state: RotationState,
  given: GivenToken,
  candidate: string,
): { readonly name: RotationCase; readonly next: RotationState } {
  const name = decideRotation(state, given);
  switch (name) {
    case 'mint':
    case 'retry-of-lost-response':
      return { name, next: { ...state, successorHash: candidate } };
    case 'confirm':
      return { name, next: confirmed(state) };
    case 'confirm-and-mint':
      return { name, next: { ...confirmed(state), successorHash: candidate } };
    case 'recovered':
      return { name, next: recovered(state, given) };
    default:
      return { name, next: state };
  }
}

/** An access token as it was used. Its branch names the refresh token that was issued with it. */
export interface UsedAccessToken {
  readonly generation: number;
  readonly branch: string;
  /** It was issued after the last answer that the row knows of: the database has lost a commit. */
  readonly isLater?: boolean;
}

/** `fork` is theft; a token without a case leaves the row alone. */
export type UseCase = 'confirmed-by-use' | 'fork';

/**
 * Names the case of an access token in use. The unconfirmed successor's shows that the successor has reached its
 * client. A token of the previous, current or next generation that is on another branch was issued with a refresh token
 * that a later answer has replaced: somebody else has that answer.
 */
export function decideUse(
  state: RotationState,
  used: UsedAccessToken,
  branchOf: (hash: string) => string,
): UseCase | undefined {
  const hashes = [state.previousHash, state.tokenHash, state.successorHash];
  const hash = hashes[used.generation - state.generation + 1];
  // Without a successor, a newer token shows that the database has lost a commit. It is no sign of theft.
  if (hash === undefined || hash === null) return undefined;
  if (branchOf(hash) !== used.branch) return used.generation > state.generation && used.isLater ? undefined : 'fork';
  return used.generation > state.generation ? 'confirmed-by-use' : undefined;
}

/** The row after the use. `inWindow` is not touched. */
export function use(
  state: RotationState,
  used: UsedAccessToken,
  branchOf: (hash: string) => string,
): { readonly name: UseCase | undefined; readonly next: RotationState } {
  const name = decideUse(state, used, branchOf);
  return { name, next: name === 'confirmed-by-use' ? confirmed(state) : state };
}

function confirmed(state: RotationState): RotationState {
  return {
    generation: state.generation + 1,
    tokenHash: state.successorHash!,
    successorHash: null,
    previousHash: state.tokenHash,
    inWindow: state.inWindow,
  };
}

/** Like a token that the end of an impersonation has issued it has no parent: an older one that is under way is no theft. */
function recovered(state: RotationState, { generation, hash }: GivenToken): RotationState {
  return { ...state, generation, tokenHash: hash, successorHash: null, previousHash: null };
}
