import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import {
  decideRotation,
  isTheft,
  rotate,
  ROTATION_CASES,
  type RotationState,
  startsWindow,
  use,
} from '../../lib/rules/rotation.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { RotationStore } from '../../lib/store/rotation.store.js';
import { byPair, type Pair, type RefreshOutcome, RotationHarness } from '../support/rotation-harness.js';
import { exploreHonestClient } from '../support/honest-client-model.js';
import { PRODUCTION, type RotationRules } from '../support/rotation-model.js';
import { exploreTwoParties } from '../support/two-parties-model.js';
import { namedRow, pairKey, STATES, TOKENS } from '../support/rotation-space.js';
import type { SessionSeed } from '../support/session-rows.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** What the rules say of a pair, and the state that they leave. */
function decide({ state, token, session }: Pair, candidate: string, leeway: number): [RefreshOutcome, RotationState] {
  const { name, next } = rotate(state, token, candidate);
  const started = startsWindow(name);
  const left = started ? { ...next, inWindow: leeway > 0 } : next;
  const outcome: RefreshOutcome = {
    name,
    row: namedRow(next),
    window: started ? 'started' : 'untouched',
    revoked: isTheft(name) ? `theft:${name}` : null,
  };
  const answer = {
    'new-successor': { generation: token.generation + 1, hash: candidate },
    'same-successor': { generation: token.generation + 1, hash: state.successorHash! },
    given: { generation: token.generation, hash: token.hash },
    current: { generation: state.generation, hash: state.tokenHash },
    refused: undefined,
  }[ROTATION_CASES[name]];
  if (!answer) return [outcome, left];
  const accessToken = { generation: answer.generation, branch: session.branch(answer.hash) };
  return [{ ...outcome, refreshToken: answer, accessToken }, left];
}

/** A slow machine refuses none of the many requests. */
const PATIENT = { overload: { maxWait: '1m' } };

/** The cases that only sessions with a key have. */
const BOUND_CASES = ['proved', 'key-required', 'other-key'];

/** No two requests meet in one turn, so that each has a statement of its own. */
class AloneTimers extends SessionTimers {
  override atEndOfTurn(task: () => void): void {
    task();
  }
}

describe.each([
  ['30s', 30_000, 'sharing statements', new SessionTimers()],
  ['30s', 30_000, 'each alone', new AloneTimers()],
  ['0s', 0, 'sharing statements', new SessionTimers()],
  ['0s', 0, 'each alone', new AloneTimers()],
])('the rotation statements against the rules, leeway %s (%i ms), %s', (option, leeway, _, timers) => {
  let test: TestApp;
  let harness: RotationHarness;
  beforeAll(async () => {
    test = await startTestApp({
      session: { session: { leeway: option }, ...PATIENT },
      override: builder => builder.overrideProvider(SessionTimers).useValue(timers),
    });
    harness = new RotationHarness(test, leeway);
  });
  afterAll(() => test?.close());

  it('R01 R02 R03: each state and token, each one twice, has the same case, row and answer in SQL', async () => {
    const pairs = await harness.everyPair();
    const first = await harness.refreshAll(pairs, 'child');
    expect(first).toEqual(byPair(pairs, pair => decide(pair, 'child', leeway)[0]));
    const unbound = Object.keys(ROTATION_CASES).filter(name => !BOUND_CASES.includes(name));
    expect(new Set(Object.values(first).map(({ name }) => name))).toEqual(new Set(unbound));

    const second = await harness.refreshAll(pairs, 'second child');
    const expected = byPair(pairs, pair => {
      const [outcome, state] = decide(pair, 'child', leeway);
      // A session that has ended by theft answers every later token so.
      return outcome.revoked ? outcome : decide({ ...pair, state }, 'second child', leeway)[0];
    });
    expect(second).toEqual(expected);
  });

  it('R03 R02: each use of an access token, each one twice, has the same case and row in SQL', async () => {
    const pairs = await harness.everyPair();
    const cases = new Set<string | undefined>();
    for (const window of ['started', 'untouched']) {
      const expected = byPair(pairs, ({ state, token: { generation, hash, issue } }) => {
        const { name, next } = use(state, { generation, branch: hash, isLater: issue === 'later' }, role => role);
        cases.add(name);
        return {
          row: namedRow(next),
          window: name === 'confirmed-by-use' ? window : 'untouched',
          revoked: name === 'fork' ? 'theft:fork' : null,
        };
      });
      expect(await harness.useAll(pairs)).toEqual(expected);
    }
    expect(cases).toEqual(new Set(['confirmed-by-use', 'fork', undefined]));
  });
});

describe.each([
  ['sharing statements', new SessionTimers()],
  ['each alone', new AloneTimers()],
])('the statement of a proof against the rules, %s', (_, timers) => {
  const KEYS = { own: randomBytes(32), other: randomBytes(32) };
  let test: TestApp;
  let harness: RotationHarness;
  beforeAll(async () => {
    test = await startTestApp({
      session: PATIENT,
      override: builder => builder.overrideProvider(SessionTimers).useValue(timers),
    });
    harness = new RotationHarness(test, 30_000);
  });
  afterAll(() => test?.close());

  /** What a proof of a key, with each refresh token, does to a session with these columns. */
  async function prove(key: keyof typeof KEYS, columns: Partial<SessionSeed>) {
    const pairs = await harness.everyPair({ keyKind: 'dpop', ...columns });
    const before = await harness.rows();
    const store = test.app.get(RotationStore);
    const rows = await Promise.all(
      pairs.map(({ session, token }) =>
        store.prove({
          sessionId: session.seed.id,
          thumbprint: KEYS[key],
          generation: token.generation,
          hash: session.hash(token.hash),
          deadline: store.deadline().databaseTime,
        }),
      ),
    );
    return { pairs, rows, before, after: await harness.rows() };
  }

  it.each(['own', 'other'] as const)('B01: each state and token with a proof of the %s key', async key => {
    const { pairs, rows, before, after } = await prove(key, { keyThumbprint: KEYS.own });
    const names = pairs.map(({ state, token }) => decideRotation({ ...state, key: 'own' }, { ...token, key }));
    expect(rows.map(row => row !== undefined)).toEqual(names.map(name => name === 'proved'));
    expect(new Set(names)).toEqual(new Set(key === 'own' ? ['proved', 'unknown'] : ['other-key']));
    for (const { session } of pairs) {
      const [former, row] = [before.get(session.seed.id)!, after.get(session.seed.id)!];
      expect(session.named(row)).toEqual(session.named(former));
      expect(row.leeway).toBe(former.leeway);
      expect(row.revoked_reason).toBeNull();
    }
  });

  it('B01: without a proof each state and token is refused, and the row never changes', async () => {
    const pairs = await harness.everyPair({ keyThumbprint: KEYS.own, keyKind: 'dpop' });
    const before = await harness.rows();
    const outcomes = await harness.refreshAll(pairs, 'child');
    expect(new Set(Object.values(outcomes).map(({ name }) => name))).toEqual(new Set(['session_key_required']));
    const names = pairs.map(({ state, token }) => decideRotation({ ...state, key: 'own' }, token));
    expect(new Set(names)).toEqual(new Set(['key-required']));
    expect(await harness.rows()).toEqual(before);
  });

  it('B02: a registered key binds the session when it is first proved, and no other key does', async () => {
    const columns = { keyThumbprint: null, keyOffered: KEYS.own };
    expect((await prove('other', columns)).rows.filter(Boolean)).toEqual([]);
    const { pairs, rows, after } = await prove('own', columns);
    const proved = pairs.filter(({ state, token }) => {
      return token.hash === 'current' && token.generation === state.generation;
    });
    expect(rows.filter(Boolean)).toHaveLength(proved.length);
    for (const { session } of proved) {
      expect(after.get(session.seed.id)).toMatchObject({ key_thumbprint: KEYS.own, key_offered: null });
    }
  });

  it.each<[string, Partial<SessionSeed>]>([
    ['S08: a session that was ended', { revokedAt: 0, revokedReason: 'logout' }],
    ['S04: a session that has expired', { expiresAt: 0 }],
  ])('%s accepts no proof', async (_name, ended) => {
    const { rows, before, after } = await prove('own', { keyThumbprint: KEYS.own, ...ended });
    expect(rows.filter(Boolean)).toEqual([]);
    expect(after).toEqual(before);
  });
});

describe('a session that has ended', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ session: PATIENT });
  });
  afterAll(() => test?.close());

  it.each<[string, string, Partial<SessionSeed>]>([
    ['S08 R02: ended by log-out', 'session_revoked', { revokedAt: 0, revokedReason: 'logout' }],
    ['R02: ended by theft', 'stale', { revokedAt: 0, revokedReason: 'theft:stale' }],
    ['S04: expired', 'session_expired', { expiresAt: 0 }],
  ])('%s, it answers every token alike and its row never changes', async (_, name, ended) => {
    const harness = new RotationHarness(test, 30_000);
    const pairs = await harness.everyPair(ended);
    const before = await harness.rows();
    const outcomes = await harness.refreshAll(pairs, 'child');
    expect(new Set(Object.values(outcomes).map(outcome => outcome.name))).toEqual(new Set([name]));
    await harness.useAll(pairs);
    expect(await harness.rows()).toEqual(before);
  });
});

describe('the space of the differential test', () => {
  it('PROTOCOL: holds every state and token that the explorations reach', () => {
    const reached = new Set<string>();
    const recording: RotationRules = {
      ...PRODUCTION,
      rotate(state, token, candidate) {
        const { successorHash, previousHash } = state;
        const named = { ...state, successorHash: roleOf(successorHash), previousHash: roleOf(previousHash) };
        reached.add(pairKey(named, { ...token, hash: roleOf(token.hash)! }));
        return rotate(state, token, candidate);
      },
    };
    exploreHonestClient({ tabs: 2, mints: Infinity, leeway: 5, exchange: 4 }, recording);
    for (const windows of ['apart', 'shared', 'none'] as const) exploreTwoParties(windows, recording);

    const space = new Set(STATES.flatMap(state => TOKENS.map(token => pairKey(state, token))));
    expect([...reached].filter(pair => !space.has(pair))).toEqual([]);
    expect(reached.size).toBeGreaterThan(20);
  });
});

/** The model writes `<relative generation>:<role>`. */
function roleOf(hash: string | null): string | null {
  const role = hash?.split(':')[1] ?? null;
  return role === 'forgotten' ? 'foreign' : role;
}
