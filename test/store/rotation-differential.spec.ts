import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isTheft, rotate, ROTATION_CASES, type RotationState, startsWindow, use } from '../../lib/rules/rotation.js';
import { SessionTimers } from '../../lib/common/clock.js';
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
    given: token,
    current: { generation: state.generation, hash: state.tokenHash },
    refused: undefined,
  }[ROTATION_CASES[name]];
  if (!answer) return [outcome, left];
  const accessToken = { generation: answer.generation, branch: session.branch(answer.hash) };
  return [{ ...outcome, refreshToken: answer, accessToken }, left];
}

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
      session: { session: { leeway: option } },
      override: builder => builder.overrideProvider(SessionTimers).useValue(timers),
    });
    harness = new RotationHarness(test, leeway);
  });
  afterAll(() => test?.close());

  it('R01 R02 R03: each state and token, each one twice, has the same case, row and answer in SQL', async () => {
    const pairs = await harness.everyPair();
    const first = await harness.refreshAll(pairs, 'child');
    expect(first).toEqual(byPair(pairs, pair => decide(pair, 'child', leeway)[0]));
    expect(new Set(Object.values(first).map(({ name }) => name))).toEqual(new Set(Object.keys(ROTATION_CASES)));

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
      const expected = byPair(pairs, ({ state, token: { generation, hash } }) => {
        const { name, next } = use(state, { generation, branch: hash }, role => role);
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

describe('a session that has ended', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
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
