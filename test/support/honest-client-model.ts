import { type RotationCase, ROTATION_CASES, type RotationState } from '../../lib/rules/rotation.js';
import {
  type Change,
  CURRENT,
  FIRST_ROW,
  PRODUCTION,
  refresh,
  type RotationRules,
  sorted,
  type Token,
  useAccessToken,
} from './rotation-model.js';

/**
 * Whether an honest client can ever be refused, under the production decision of docs/protocol.md. Its tabs share a
 * cookie jar, or its screens share stored tokens: each answer that is read in time is kept, in any order.
 */
export interface HonestClient {
  readonly tabs: number;
  /** The maximum number of refresh tokens that the server mints. */
  readonly mints: number;
  /** In steps of the model's clock. */
  readonly leeway: number;
  /** The longest time in steps from sending a request to reading its answer; the client gives up afterwards. */
  readonly exchange: number;
  /** How many requests that the client gave up may be under way at once: read by a process, and not carried out yet. */
  readonly late?: number;
  /** How long a request may be on its way before a process reads it, in steps; at most `exchange`, which is the default. */
  readonly transit?: number;
  /** How long after sending it an answer is still kept, in steps, although the client has given up; else it is not. */
  readonly keeps?: number;
  /** The client sends nothing while a request that it gave up may still be carried out. */
  readonly waits?: boolean;
}

export interface HonestClientExploration {
  readonly states: number;
  /** The first refusal found and the shortest way to it. */
  readonly refusal?: { readonly name: RotationCase; readonly steps: readonly string[] };
}

interface Exchange {
  readonly phase: 'request' | 'answer';
  readonly token: Token;
  /** Whether the answer brings a refresh token. */
  readonly isKept: boolean;
  readonly age: number;
}

/** An exchange that the client gave up. */
interface Late extends Exchange {
  /** A request that is older is not carried out. */
  readonly timeLeft: number;
}

interface World {
  readonly row: RotationState;
  readonly windowLeft: number;
  readonly mintsLeft: number;
  /** The refresh token that the client has kept. */
  readonly kept: Token;
  /**
   * Every access token that reached the client. Each may have been used at once, and the confirmation of that use may
   * be lost or written at any later time, so that one set represents every order of uses and confirmations.
   */
  readonly used: ReadonlySet<Token>;
  readonly tabs: readonly (Exchange | null)[];
  readonly late: readonly Late[];
}

interface Move {
  readonly step: string;
  readonly next: World | RotationCase;
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
    kept: CURRENT,
    used: new Set([CURRENT]),
    tabs: Array.from({ length: client.tabs }, () => null),
    late: [],
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

function worldKey({ row, windowLeft, mintsLeft, kept, used, tabs, late }: World): string {
  // Tabs are alike: which of them does what makes no difference.
  const exchanges = tabs.map(tab => (tab ? `${tab.phase}${tab.token}${tab.isKept}${tab.age}` : '')).sort();
  const given = late.map(({ phase, token, isKept, age, timeLeft }) => `${phase}${token}${isKept}${age},${timeLeft}`);
  return [
    row.successorHash,
    row.previousHash,
    windowLeft,
    mintsLeft,
    kept,
    sorted(used),
    ...exchanges,
    ...given.sort(),
  ].join(';');
}

function* clientMoves(world: World, client: HonestClient, rules: RotationRules): Generator<Move> {
  yield { step: 'time passes', next: later(world, client) };
  for (const token of world.used) {
    const { name, ...change } = useAccessToken(world.row, token, rules);
    const step = `use of ${token} is confirmed`;
    if (name === 'fork') yield { step, next: name };
    else if (name) yield { step, next: { ...changed(world, change), windowLeft: client.leeway } };
  }
  for (const [tab, exchange] of world.tabs.entries()) yield* tabMoves(world, tab, exchange, client, rules);
  for (const [index, exchange] of world.late.entries()) {
    const put = (next: World, to: Exchange | null): World => ({
      ...next,
      late: to ? next.late.with(index, { ...to, timeLeft: exchange.timeLeft }) : next.late.toSpliced(index, 1),
    });
    if (exchange.phase === 'answer') {
      yield { step: `a late answer brings ${exchange.token}`, next: put(read(world, exchange), null) };
    } else {
      const isKept = client.keeps !== undefined;
      const answered = (next: World, answer: Exchange) => put(next, isKept ? answer : null);
      yield* serve('a late request', world, exchange, client, rules, answered);
    }
  }
}

function* tabMoves(
  world: World,
  tab: number,
  exchange: Exchange | null,
  client: HonestClient,
  rules: RotationRules,
): Generator<Move> {
  const put = (next: World, to: Exchange | null): World => ({ ...next, tabs: next.tabs.with(tab, to) });
  if (!exchange) {
    if (client.waits && world.late.length > 0) return;
    const request: Exchange = { phase: 'request', token: world.kept, isKept: false, age: 0 };
    yield { step: `tab ${tab} sends ${world.kept}`, next: put(world, request) };
    return;
  }
  yield { step: `tab ${tab} gives up`, next: put(world, null) };
  const { phase } = exchange;
  const timeLeft = phase === 'request' ? timeLeftOf(exchange, client, rules) : 0;
  if (world.late.length < (client.late ?? 0) && (timeLeft > 0 || (phase === 'answer' && client.keeps !== undefined))) {
    const late = [...world.late, { ...exchange, timeLeft }];
    yield { step: `tab ${tab} gives up, and it goes on`, next: put({ ...world, late }, null) };
  }
  if (phase === 'request') yield* serve(`tab ${tab}`, world, exchange, client, rules, put);
  else yield { step: `tab ${tab} reads ${exchange.token}`, next: put(read(world, exchange), null) };
}

/** The deadline of a request counts from when a process reads it, which is before the client has given up. */
function timeLeftOf({ age }: Exchange, { leeway, exchange, transit = exchange }: HonestClient, rules: RotationRules) {
  return Math.ceil(rules.maxRequestAge(leeway)) - Math.max(0, age - transit);
}

function* serve(
  who: string,
  world: World,
  request: Exchange,
  client: HonestClient,
  rules: RotationRules,
  put: (next: World, answer: Exchange) => World,
): Generator<Move> {
  const { name, answer, ...change } = refresh(world.row, world.windowLeft > 0, request.token, rules);
  const step = `${who}: ${name} for ${request.token}`;
  if (answer === null) return yield { step, next: name };
  const windowLeft = rules.startsWindow(name) ? client.leeway : world.windowLeft;
  const mintsLeft = world.mintsLeft - (ROTATION_CASES[name] === 'new-successor' ? 1 : 0);
  if (mintsLeft < 0) return;
  const served = { ...changed(world, change), windowLeft, mintsLeft };
  const isKept = rules.bringsRefreshToken(name);
  yield { step, next: put(served, { phase: 'answer', token: answer, isKept, age: request.age }) };
  // The server repeats a statement whose outcome it does not know.
  yield { step: `${step}, to be repeated`, next: served };
}

function changed(world: World, { row, rename }: Change): World {
  const tabs = world.tabs.map(tab => tab && { ...tab, token: rename(tab.token) });
  const late = world.late.map(exchange => ({ ...exchange, token: rename(exchange.token) }));
  return { ...world, row, kept: rename(world.kept), used: new Set([...world.used].map(rename)), tabs, late };
}

function read(world: World, { token, isKept }: Exchange): World {
  return { ...world, kept: isKept ? token : world.kept, used: new Set([...world.used, token]) };
}

function later(world: World, { exchange, keeps = 0 }: HonestClient): World {
  const tabs = world.tabs.map(tab => (tab && tab.age < exchange ? { ...tab, age: tab.age + 1 } : null));
  const late = world.late
    .map(each => ({ ...each, age: Math.min(each.age, keeps) + 1, timeLeft: Math.max(0, each.timeLeft - 1) }))
    .filter(({ phase, age, timeLeft }) => (phase === 'request' ? timeLeft > 0 : age <= keeps));
  return { ...world, windowLeft: Math.max(0, world.windowLeft - 1), tabs, late };
}
