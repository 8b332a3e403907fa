import type { RotationCase, UseCase } from '../rules/rotation.js';

type StoredCase =
  | Exclude<RotationCase, 'fork' | 'recent' | 'stale' | 'superseded' | 'unknown' | 'key-required' | 'other-key'>
  | Exclude<UseCase, 'fork'>
  | 'first-proof';

/** How a row keeps its last case: a name would take up to 22 bytes of each row. */
export const CASE_LETTERS = {
  mint: 'm',
  'retry-in-window': 'r',
  'retry-of-lost-response': 'l',
  unchanged: 'u',
  confirm: 'c',
  'confirm-and-mint': 'n',
  'late-parent': 'p',
  recovered: 'v',
  proved: 'k',
  /** As `proved`, by the first proof of the key, which is in force from then on. */
  'first-proof': 'b',
  'confirmed-by-use': 'a',
} as const satisfies Record<StoredCase, string>;

const NAMES = new Map(Object.entries(CASE_LETTERS).map(([name, letter]) => [letter, name as RotationCase]));

export function caseOfLetter(letter: string): RotationCase {
  return letter === CASE_LETTERS['first-proof'] ? 'proved' : NAMES.get(letter as typeof CASE_LETTERS.mint)!;
}
