import {
  rotate,
  ROTATION_CASES,
  startsWindow,
  type RotationCase,
  type RotationState,
  type UseCase,
  use,
} from '../../lib/rules/rotation.js';

/**
 * Two models around the production decision of docs/protocol.md: `exploreHonestClient` asks whether an honest client
 * can ever be refused, `exploreTwoParties` whether two parties who share a token can both go on, or one of them
 * unnoticed. Tokens are relative to the row in both, so that the searches end without a bound on the generations.
 */

/** What the models take from the server, so that a test can break one part of it and see that the search notices. */
export interface RotationRules {
  readonly rotate: typeof rotate;
  readonly use: typeof use;
  readonly startsWindow: typeof startsWindow;
  /** Whether the answer writes the refresh cookie. */
  readonly setsCookie: (name: RotationCase) => boolean;
}

export const PRODUCTION: RotationRules = {
  rotate,
  use,
  startsWindow,
  setsCookie: name => ROTATION_CASES[name] !== 'given',
};

interface Move<State> {
  readonly step: string;
  readonly next: State | RotationCase;
  /** Who gets an answer to a refresh by this move. */
  readonly answers?: Party;
  /** Who uses an access token by this move. */
  readonly acts?: Party;
}

// --- The server ---

/** `<generation - row's generation>:<role>`; the token is its own hash and its own branch. */
type Token = string;

const CURRENT: Token = '0:current';
const FIRST_ROW = relativeRow(null, null);

/** What becomes of the row, and `rename`, which says what an older token is to it from now on. */
interface Change {
  readonly row: RotationState;
  readonly rename: (token: Token) => Token;
}

interface Refresh extends Change {
  readonly name: RotationCase;
  /** The refresh token of the answer, or null for a refusal; its access token is always of the same generation. */
  readonly answer: Token | null;
}

function refresh(row: RotationState, inWindow: boolean, given: Token, rules: RotationRules): Refresh {
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

function useAccessToken(row: RotationState, token: Token, rules: RotationRules): Use {
  const { name, next } = rules.use(row, { generation: generationOf(token), branch: token }, branch => branch);
  return { name, ...changeTo(next) };
}

function changeTo({ generation, tokenHash, successorHash, previousHash }: RotationState): Change {
  const row = relativeRow(successorHash, previousHash);
  const rename = (token: Token): Token => {
    if (token === tokenHash) return CURRENT;
    if (token === successorHash) return row.successorHash!;
    if (token === previousHash) return row.previousHash!;
    // What the row has forgotten never comes back; only its age still counts, and two generations are as stale as ten.
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

function generationOf(token: Token): number {
  return Number.parseInt(token, 10);
}

// --- One honest client: tabs that share a cookie jar ---

export interface HonestClient {
  readonly tabs: number;
  /** How many refresh tokens the server may mint. */
  readonly mints: number;
  /** In steps of the model's clock. */
  readonly leeway: number;
  /** The longest time in steps from sending a request to reading its answer; the client gives up afterwards. */
  readonly exchange: number;
}

export interface HonestClientExploration {
  readonly states: number;
  /** The first refusal found and the shortest way to it. */
  readonly refusal?: { readonly name: RotationCase; readonly steps: readonly string[] };
}

interface Exchange {
  readonly phase: 'request' | 'answer';
  readonly token: Token;
  readonly setsCookie: boolean;
  readonly age: number;
}

interface World {
  readonly row: RotationState;
  readonly windowLeft: number;
  readonly mintsLeft: number;
  readonly cookie: Token;
  /**
   * Every access token that reached the client. Each may have been used at once, and the confirmation of that use may
   * be lost or written at any later time, so that one set stands for every order of uses and confirmations.
   */
  readonly used: ReadonlySet<Token>;
  readonly tabs: readonly (Exchange | null)[];
}

interface Visit {
  readonly world: World;
  readonly steps: () => readonly string[];
}

export function exploreHonestClient(client: HonestClient, rules = PRODUCTION): HonestClientExploration {
  const first: World = {
    row: FIRST_ROW,
    windowLeft: 0,
    mintsLeft: client.mints,
    cookie: CURRENT,
    used: new Set([CURRENT]),
    tabs: Array.from({ length: client.tabs }, () => null),
  };
  const visits = new Map<string, Visit>([[worldKey(first), { world: first, steps: () => [] }]]);
  for (const visit of visits.values()) {
    for (const { step, next } of clientMoves(visit.world, client, rules)) {
      const steps = () => [...visit.steps(), step];
      if (typeof next === 'string') return { states: visits.size, refusal: { name: next, steps: steps() } };
      const key = worldKey(next);
      if (!visits.has(key)) visits.set(key, { world: next, steps });
    }
  }
  return { states: visits.size };
}

function worldKey({ row, windowLeft, mintsLeft, cookie, used, tabs }: World): string {
  // Tabs are alike: which of them does what makes no difference.
  const exchanges = tabs.map(tab => (tab ? `${tab.phase}${tab.token}${tab.setsCookie}${tab.age}` : '')).sort();
  return [row.successorHash, row.previousHash, windowLeft, mintsLeft, cookie, sorted(used), ...exchanges].join(';');
}

function* clientMoves(world: World, client: HonestClient, rules: RotationRules): Generator<Move<World>> {
  yield { step: 'time passes', next: later(world, client) };
  for (const token of world.used) {
    const { name, ...change } = useAccessToken(world.row, token, rules);
    const step = `use of ${token} is confirmed`;
    if (name === 'fork') yield { step, next: name };
    else if (name) yield { step, next: { ...changed(world, change), windowLeft: client.leeway } };
  }
  for (const [tab, exchange] of world.tabs.entries()) {
    if (!exchange) {
      const request: Exchange = { phase: 'request', token: world.cookie, setsCookie: false, age: 0 };
      yield { step: `tab ${tab} sends ${world.cookie}`, next: withTab(world, tab, request) };
      continue;
    }
    yield { step: `tab ${tab} gives up`, next: withTab(world, tab, null) };
    if (exchange.phase === 'request') yield* serve(world, tab, exchange, client, rules);
    else yield { step: `tab ${tab} reads ${exchange.token}`, next: read(world, tab, exchange) };
  }
}

function* serve(
  world: World,
  tab: number,
  request: Exchange,
  client: HonestClient,
  rules: RotationRules,
): Generator<Move<World>> {
  const { name, answer, ...change } = refresh(world.row, world.windowLeft > 0, request.token, rules);
  const step = `tab ${tab}: ${name} for ${request.token}`;
  if (answer === null) return yield { step, next: name };
  const windowLeft = rules.startsWindow(name) ? client.leeway : world.windowLeft;
  const mintsLeft = world.mintsLeft - (ROTATION_CASES[name] === 'new-successor' ? 1 : 0);
  if (mintsLeft < 0) return;
  const served = { ...changed(world, change), windowLeft, mintsLeft };
  const setsCookie = rules.setsCookie(name);
  yield { step, next: withTab(served, tab, { phase: 'answer', token: answer, setsCookie, age: request.age }) };
  // The server repeats a statement whose outcome it does not know.
  yield { step: `${step}, to be repeated`, next: served };
}

function changed(world: World, { row, rename }: Change): World {
  const tabs = world.tabs.map(tab => tab && { ...tab, token: rename(tab.token) });
  return { ...world, row, cookie: rename(world.cookie), used: new Set([...world.used].map(rename)), tabs };
}

function read(world: World, tab: number, { token, setsCookie }: Exchange): World {
  const cookie = setsCookie ? token : world.cookie;
  return { ...withTab(world, tab, null), cookie, used: new Set([...world.used, token]) };
}

function later(world: World, { exchange }: HonestClient): World {
  const tabs = world.tabs.map(tab => (tab && tab.age < exchange ? { ...tab, age: tab.age + 1 } : null));
  return { ...world, windowLeft: Math.max(0, world.windowLeft - 1), tabs };
}

function withTab(world: World, tab: number, exchange: Exchange | null): World {
  return { ...world, tabs: world.tabs.with(tab, exchange) };
}

function sorted(tokens: ReadonlySet<Token>): Token[] {
  return [...tokens].sort();
}

// --- Two parties with the same token ---

/** `apart`: nobody acts in a window that the other one opened; `shared`: anyone acts at any time; `none`: leeway 0. */
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
   * How far the row gets past the copied token while both have an answered refresh before them; 2 stands for more, too.
   */
  readonly generationsBothAlive: number;
  readonly refusals: readonly RotationCase[];
}

type Party = 'victim' | 'thief';

interface Scene {
  readonly row: RotationState;
  /** Who opened the window that lasts, if one does. */
  readonly windowOf: Party | null;
  readonly copied: Token | null;
  /** A client stores what it is answered in place of what it had; a thief may keep all and present any of it. */
  readonly victim: Token;
  readonly thief: ReadonlySet<Token>;
  /** The access tokens of the thief's last two answers: those before have expired, as those that were copied. */
  readonly access: readonly Token[];
}

interface Edge extends Move<Scene> {
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

function* partyMoves(scene: Scene, windows: Windows, rules: RotationRules): Generator<Move<Scene>> {
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

function useBy(party: Party, token: Token, scene: Scene, opened: Party | null, rules: RotationRules): Move<Scene> {
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
