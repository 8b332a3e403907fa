import type { RotationCase, RotationState } from '../../lib/rules/rotation.js';
import {
  type Change,
  CURRENT,
  FIRST_ROW,
  generationOf,
  PRODUCTION,
  refresh,
  type RotationRules,
  sorted,
  type Token,
  useAccessToken,
} from './rotation-model.js';

/**
 * Whether two parties who share a token can both go on, or one of them unnoticed, under the production decision of
 * docs/protocol.md.
 */

type Party = 'victim' | 'thief';

interface Move {
  readonly step: string;
  readonly next: Scene | RotationCase;
  /** Who gets an answer to a refresh by this move. */
  readonly answers?: Party;
  /** Who uses an access token by this move. */
  readonly acts?: Party;
}

/** `apart`: no party acts in a window that the other one opened; `shared`: both act at any time; `none`: leeway 0. */
export type Windows = 'apart' | 'shared' | 'none';

export interface TwoPartiesExploration {
  readonly states: number;
  /** By what steps both get refreshes answered for ever; empty if one of them always ends up refused. */
  readonly endless: readonly string[];
  /**
   * By what steps a thief refreshes and acts for ever, so that the victim who comes back is answered as if nothing had
   * happened; empty if one of them is refused.
   */
  readonly unnoticed: readonly string[];
  /**
   * How far the row gets past the copied token while both have an answered refresh before them; 2 means two or more.
   */
  readonly generationsBothAlive: number;
  readonly refusals: readonly RotationCase[];
}

interface Scene {
  readonly row: RotationState;
  /** Who opened the window that lasts, if one does. */
  readonly windowOf: Party | null;
  readonly copied: Token | null;
  /** A client replaces its token by that of the answer; a thief may keep all tokens and send any of them. */
  readonly victim: Token;
  readonly thief: ReadonlySet<Token>;
  /** The access tokens of the thief's last two answers: those before have expired, as those that were copied. */
  readonly access: readonly Token[];
}

interface Edge extends Move {
  readonly from: string;
  readonly to: string;
}

export function exploreTwoParties(windows: Windows, rules = PRODUCTION): TwoPartiesExploration {
  const first: Scene = { row: FIRST_ROW, windowOf: null, copied: null, victim: CURRENT, thief: new Set(), access: [] };
  const scenes = new Map([[sceneKey(first), first]]);
  const edges: Edge[] = [];
  const refusals = new Set<RotationCase>();
  for (const [from, scene] of scenes) {
    for (const move of partyMoves(scene, windows, rules)) {
      if (typeof move.next === 'string') {
        refusals.add(move.next);
        continue;
      }
      const to = sceneKey(move.next);
      edges.push({ ...move, from, to });
      if (!scenes.has(to)) scenes.set(to, move.next);
    }
  }
  const passed = [...bothAlive(edges)].map(key => -generationOf(scenes.get(key)!.copied ?? CURRENT));
  return {
    states: scenes.size,
    endless: stepsOf(goingOnForEver(edges, [answersOf('victim'), answersOf('thief')])),
    unnoticed: stepsOf(unnoticed(edges)),
    generationsBothAlive: Math.max(0, ...passed),
    refusals: [...refusals].sort(),
  };
}

function sceneKey({ row, windowOf, copied, victim, thief, access }: Scene): string {
  return [row.successorHash, row.previousHash, windowOf, copied, victim, sorted(thief), access].join(';');
}

function* partyMoves(scene: Scene, windows: Windows, rules: RotationRules): Generator<Move> {
  const { row, windowOf, copied, victim, thief } = scene;
  if (windowOf) yield { step: 'the window passes', next: { ...scene, windowOf: null } };
  if (!copied) yield { step: 'the thief copies', next: { ...scene, copied: victim, thief: new Set([victim]) } };
  for (const party of ['victim', 'thief'] as const) {
    if (windows === 'apart' && windowOf && windowOf !== party) continue;
    const opened = windows === 'none' ? null : party;
    for (const token of party === 'victim' ? [victim] : scene.access) yield useBy(party, token, scene, opened, rules);
    for (const token of party === 'victim' ? [victim] : thief) {
      const { name, answer, ...refreshed } = refresh(row, windowOf !== null, token, rules);
      const step = `${party}: ${name} for ${token}`;
      if (answer === null) {
        yield { step, next: name };
        continue;
      }
      const served = { ...renamed(scene, refreshed), windowOf: rules.startsWindow(name) ? opened : windowOf };
      yield { step: `${step}, answer lost`, next: served };
      const stored =
        party === 'victim'
          ? { victim: answer }
          : { thief: new Set([...served.thief, answer]), access: [answer, ...served.access].slice(0, 2) };
      yield { step, next: { ...served, ...stored }, answers: party };
    }
  }
}

function useBy(party: Party, token: Token, scene: Scene, opened: Party | null, rules: RotationRules): Move {
  const { name, ...change } = useAccessToken(scene.row, token, rules);
  const step = `${party} uses ${token}`;
  if (name === 'fork') return { step, next: name };
  const next = name ? { ...renamed(scene, change), windowOf: opened } : scene;
  return { step, next, acts: party };
}

function renamed(scene: Scene, { row, rename }: Change): Scene {
  const copied = scene.copied && rename(scene.copied);
  const thief = new Set([...scene.thief].map(rename));
  return { ...scene, row, copied, victim: rename(scene.victim), thief, access: scene.access.map(rename) };
}

type Wanted = (edge: Edge) => boolean;

const answersOf =
  (party: Party): Wanted =>
  ({ answers }) =>
    answers === party;

const stepsOf = (edges: readonly Edge[]) => [...new Set(edges.map(({ step }) => step))];

/**
 * The edges that are left when those are dropped, again and again, after which one of the wanted edges never follows.
 */
function goingOnForEver(edges: readonly Edge[], wanted: readonly Wanted[]): readonly Edge[] {
  const ahead = wanted.map(each => before(edges, each));
  const kept = edges.filter(({ to }) => ahead.every(scenes => scenes.has(to)));
  return kept.length === edges.length ? kept : goingOnForEver(kept, wanted);
}

/** The thief needs both: access tokens expire, and refreshing alone reads and changes nothing of the victim's. */
function unnoticed(edges: readonly Edge[]): readonly Edge[] {
  const victimAnswered = before(edges, answersOf('victim'));
  const open = edges.filter(({ from, to }) => victimAnswered.has(from) && victimAnswered.has(to));
  return goingOnForEver(open, [answersOf('thief'), ({ acts }) => acts === 'thief']);
}

/** The scenes from which one path leads to an answer for each party. */
function bothAlive(edges: readonly Edge[]): ReadonlySet<string> {
  const other = { victim: before(edges, answersOf('thief')), thief: before(edges, answersOf('victim')) };
  return before(edges, ({ answers, to }) => answers !== undefined && other[answers].has(to));
}

function before(edges: readonly Edge[], wanted: Wanted): ReadonlySet<string> {
  const into = new Map<string, string[]>();
  for (const { from, to } of edges) into.set(to, [...(into.get(to) ?? []), from]);
  const found = new Set(edges.filter(wanted).map(edge => edge.from));
  for (const key of found) for (const from of into.get(key) ?? []) found.add(from);
  return found;
}
