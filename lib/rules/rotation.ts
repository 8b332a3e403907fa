/**
 * The rotation decision of PROTOCOL.md, as a table of named cases. `decideRotation` names the case,
 * `rotate` says what the row becomes; the SQL in `store/rotation.store.ts` does the same in one statement,
 * which a differential test holds against these functions.
 */

/** Hashes are compared as text; they are SHA-256 of random secrets, so how long a comparison takes tells nothing. */
export interface RotationState {
  /** The newest generation known to have reached the client. */
  readonly generation: number;
  readonly tokenHash: string;
  /** Generation + 1, minted but not yet seen in use. */
  readonly successorHash: string | null;
  readonly previousHash: string | null;
  /** Whether the database's clock is before `leeway_until`. */
  readonly inWindow: boolean;
}

export interface PresentedToken {
  readonly generation: number;
  readonly hash: string;
}

/** What a refresh answers with: a new or the same successor, the presented token itself, or the current one. */
export type RotationAnswer = 'new-successor' | 'same-successor' | 'presented' | 'current' | 'refused';

/** Every case with its answer: PROTOCOL.md's table, which a test compares with this one. */
export const ROTATION_CASES = {
  mint: 'new-successor',
  'retry-in-window': 'same-successor',
  'retry-of-lost-response': 'new-successor',
  unchanged: 'presented',
  confirm: 'presented',
  'confirm-and-mint': 'new-successor',
  'late-parent': 'current',
  fork: 'refused',
  recent: 'refused',
  stale: 'refused',
  unknown: 'refused',
} as const satisfies Record<string, RotationAnswer>;

export type RotationCase = keyof typeof ROTATION_CASES;

/**
 * How a reused token was recognised: `fork` two parties went different ways, `recent` the parent of the current token
 * (a crash between use and storage looks like this), `stale` anything older; `binding` it came from another client than the
 * one it is bound to.
 */
export type TheftClass = RotationTheft | 'binding';

export type RotationTheft = Extract<RotationCase, 'fork' | 'recent' | 'stale'>;

export function isTheft(name: RotationCase): name is RotationTheft {
  return name === 'fork' || name === 'recent' || name === 'stale';
}

/** Names the case of a token with an authentic tag, for a session that is neither revoked nor expired. */
export function decideRotation(state: RotationState, presented: PresentedToken): RotationCase {
  switch (presented.generation - state.generation) {
    case 0:
      return decideCurrent(state, presented);
    case 1:
      return decideSuccessor(state, presented);
    case -1:
      return decideParent(state, presented);
    default:
      return presented.generation < state.generation ? 'stale' : 'unknown';
  }
}

function decideCurrent(state: RotationState, presented: PresentedToken): RotationCase {
  if (presented.hash !== state.tokenHash) return 'fork';
  if (state.successorHash === null) return state.inWindow ? 'unchanged' : 'mint';
  // After the window the successor is replaced, so that two parties who share the parent cannot live on one child:
  // whichever branch is used first voids the other.
  return state.inWindow ? 'retry-in-window' : 'retry-of-lost-response';
}

function decideSuccessor(state: RotationState, presented: PresentedToken): RotationCase {
  if (state.successorHash === null) return 'unknown';
  if (presented.hash !== state.successorHash) return 'fork';
  return state.inWindow ? 'confirm' : 'confirm-and-mint';
}

function decideParent(state: RotationState, presented: PresentedToken): RotationCase {
  if (presented.hash !== state.previousHash) return 'fork';
  return state.inWindow && state.successorHash === null ? 'late-parent' : 'recent';
}

/** Whether a case restarts the window; the others leave `leeway_until` alone. */
export function startsWindow(name: RotationCase): boolean {
  return !['unchanged', 'late-parent', 'fork', 'recent', 'stale', 'unknown'].includes(name);
}

/** The row after the case; `candidate` is the hash of the successor that would be minted. `inWindow` is not touched. */
export function rotate(
  state: RotationState,
  presented: PresentedToken,
  candidate: string,
): { readonly name: RotationCase; readonly next: RotationState } {
  const name = decideRotation(state, presented);
  switch (name) {
    case 'mint':
    case 'retry-of-lost-response':
      return { name, next: { ...state, successorHash: candidate } };
    case 'confirm':
      return { name, next: confirmed(state) };
    case 'confirm-and-mint':
      return { name, next: { ...confirmed(state), successorHash: candidate } };
    default:
      return { name, next: state };
  }
}

/**
 * An access token of (`generation`, `branch`) was used: if it is the unconfirmed successor's, the successor has reached
 * the client (`confirmed-by-use`) and the window starts. Any other access token changes nothing.
 */
export function confirmByUse(
  state: RotationState,
  used: { readonly generation: number; readonly branch: string },
  branchOf: (hash: string) => string,
): RotationState | undefined {
  if (used.generation !== state.generation + 1 || state.successorHash === null) return undefined;
  return branchOf(state.successorHash) === used.branch ? confirmed(state) : undefined;
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
