import {
  maxRequestAge,
  rotate,
  ROTATION_CASES,
  startsWindow,
  type RotationCase,
  type RotationState,
  type UseCase,
  use,
} from '../../lib/rules/rotation.js';

/**
 * The server of the models of `honest-client-model.ts` and `two-parties-model.ts`: the production decision of
 * docs/protocol.md. Tokens are relative to the row, so that the searches end without a bound on the generations.
 */

/**
 * The parts of the server that the models use, so that a test can break one part of it and see that the search notices.
 */
export interface RotationRules {
  readonly rotate: typeof rotate;
  readonly use: typeof use;
  readonly startsWindow: typeof startsWindow;
  /** Whether the answer brings a refresh token, in its body or as a cookie. */
  readonly bringsRefreshToken: (name: RotationCase) => boolean;
  /** How long after it was read a request may still be carried out, in steps of a leeway of so many. */
  readonly maxRequestAge: (leeway: number) => number;
}

export const PRODUCTION: RotationRules = {
  rotate,
  use,
  startsWindow,
  bringsRefreshToken: name => ROTATION_CASES[name] !== 'given',
  maxRequestAge,
};

/** `<generation - row's generation>:<role>`; the token is its own hash and its own branch. */
export type Token = string;

export const CURRENT: Token = '0:current';
export const FIRST_ROW = relativeRow(null, null);

/** The row afterwards, and `rename`, which gives an older token its name relative to that row. */
export interface Change {
  readonly row: RotationState;
  readonly rename: (token: Token) => Token;
}

interface Refresh extends Change {
  readonly name: RotationCase;
  /** The refresh token of the answer, or null for a refusal; its access token is always of the same generation. */
  readonly answer: Token | null;
}

export function refresh(row: RotationState, inWindow: boolean, given: Token, rules: RotationRules): Refresh {
  const generation = generationOf(given);
  const candidate = `${generation + 1}:new`;
  const { name, next } = rules.rotate({ ...row, inWindow }, { generation, hash: given }, candidate);
  const change = changeTo(next);
  const answers = {
    'new-successor': candidate,
    'same-successor': row.successorHash,
    given,
    current: row.tokenHash,
    refused: null,
  };
  const answer = answers[ROTATION_CASES[name]];
  return { ...change, name, answer: answer && change.rename(answer) };
}

interface Use extends Change {
  readonly name: UseCase | undefined;
}

export function useAccessToken(row: RotationState, token: Token, rules: RotationRules): Use {
  const { name, next } = rules.use(row, { generation: generationOf(token), branch: token }, branch => branch);
  return { name, ...changeTo(next) };
}

function changeTo({ generation, tokenHash, successorHash, previousHash }: RotationState): Change {
  const row = relativeRow(successorHash, previousHash);
  const rename = (token: Token): Token => {
    if (token === tokenHash) return CURRENT;
    if (token === successorHash) return row.successorHash!;
    if (token === previousHash) return row.previousHash!;
    // Tokens that the row no longer has never come back; only their age matters, and two generations are as stale as
    // ten.
    return `${Math.max(-2, generationOf(token) - generation)}:forgotten`;
  };
  return { row, rename };
}

function relativeRow(successorHash: string | null, previousHash: string | null): RotationState {
  return {
    generation: 0,
    tokenHash: CURRENT,
    successorHash: successorHash && '1:successor',
    previousHash: previousHash && '-1:previous',
    inWindow: false,
  };
}

export function generationOf(token: Token): number {
  return Number.parseInt(token, 10);
}

export function sorted(tokens: ReadonlySet<Token>): Token[] {
  return [...tokens].sort();
}
