import { describe, expect, it } from '@jest/globals';
import { rotate, type RotationCase, type RotationState, use } from '../../lib/rules/rotation.js';
import { exploreHonestClient, type HonestClient } from '../support/honest-client-model.js';
import { exploreLostCommits, type LossyRules } from '../support/lost-commits-model.js';
import { PRODUCTION, type RotationRules } from '../support/rotation-model.js';
import { exploreTwoParties } from '../support/two-parties-model.js';

const ANY_NUMBER = Infinity;
const SLOW = 60_000;

/** An exchange just shorter than half the leeway: the longest without a theft, where no request is late. */
const PROMISED = { leeway: 9, exchange: 4 };
const PROMISED_COARSELY = { leeway: 7, exchange: 3 };

const BRINGS_OLD_TOKENS: RotationRules = { ...PRODUCTION, bringsRefreshToken: () => true };

const FRESH: RotationState = {
  generation: 0,
  tokenHash: 'shared',
  successorHash: null,
  previousHash: null,
  inWindow: false,
};
const SHARED = { generation: 0, hash: 'shared' };

/** The production rules, except that `name` is decided anew by `decide`. */
function deciding(name: RotationCase, decide: typeof rotate): RotationRules {
  return {
    ...PRODUCTION,
    rotate: (state, given, candidate) => {
      const decided = rotate(state, given, candidate);
      return decided.name === name ? decide(state, given, candidate) : decided;
    },
  };
}

const asIfTheWindowWereOver: typeof rotate = (state, given, candidate) =>
  rotate({ ...state, inWindow: false }, given, candidate);

const asIfInTheWindow: typeof rotate = (state, given, candidate) =>
  rotate({ ...state, inWindow: true }, given, candidate);

function withoutWindowAfter(name: RotationCase): RotationRules {
  return { ...PRODUCTION, startsWindow: other => other !== name && PRODUCTION.startsWindow(other) };
}

describe('PROTOCOL promise 1: no honest client is told "theft"', () => {
  it.each([
    { tabs: 2, mints: 4, ...PROMISED, atLeast: 10_000 },
    { tabs: 2, mints: ANY_NUMBER, ...PROMISED, atLeast: 4_000 },
    { tabs: 3, mints: ANY_NUMBER, ...PROMISED, atLeast: 20_000 },
    { tabs: 4, mints: ANY_NUMBER, ...PROMISED_COARSELY, atLeast: 30_000 },
  ])(
    'PROTOCOL promise 1: $tabs tabs, $mints generations, exchanges of $exchange steps in a leeway of $leeway',
    ({ atLeast, ...client }) => {
      const { states, refusal } = exploreHonestClient(client);
      expect(refusal).toBeUndefined();
      expect(states).toBeGreaterThan(atLeast);
    },
    SLOW,
  );

  it.each([
    { leeway: 8, exchange: 4 },
    { leeway: 8, exchange: 7 },
    { leeway: 8, exchange: 9 },
  ])('PROTOCOL promise 1: exchanges of $exchange steps in a leeway of $leeway break it', time => {
    expect(exploreHonestClient({ tabs: 2, mints: ANY_NUMBER, ...time }).refusal?.name).toBe('fork');
  });

  // The client gives up after a third of the leeway, and repeats at once; the process had read the request just before.
  it.each([
    { tabs: 1, late: 2, leeway: 6, exchange: 2, atLeast: 1_000 },
    { tabs: 2, late: 1, leeway: 6, exchange: 2, atLeast: 5_000 },
    { tabs: 1, late: 2, leeway: 6, exchange: 2, keeps: 2, atLeast: 10_000 },
    { tabs: 2, late: 1, leeway: 7, exchange: 3, transit: 1, atLeast: 5_000 },
  ])(
    'PROTOCOL promise 1: $tabs tabs, $late late requests, a leeway of $leeway, exchanges of $exchange',
    ({ atLeast, ...client }) => {
      const { states, refusal } = exploreHonestClient({ mints: ANY_NUMBER, ...client });
      expect(refusal).toBeUndefined();
      expect(states).toBeGreaterThan(atLeast);
    },
    SLOW,
  );

  it.each<[string, Partial<HonestClient>, RotationRules]>([
    ['late requests have no deadline', {}, { ...PRODUCTION, maxRequestAge: () => Infinity }],
    ['the deadline is half of the leeway', { tabs: 2 }, { ...PRODUCTION, maxRequestAge: leeway => leeway / 2 }],
    ['an answer brings the old refresh token where it is not new', { keeps: 2 }, BRINGS_OLD_TOKENS],
    ['a client waits for longer than a third of the leeway', { tabs: 2, exchange: 3 }, PRODUCTION],
    ['a client keeps answers to what it gave up long ago', { keeps: 3 }, PRODUCTION],
  ])('PROTOCOL promise 1: with late requests, the search notices that %s', (_, client, rules) => {
    const { refusal } = exploreHonestClient(
      { tabs: 1, mints: ANY_NUMBER, late: 1, leeway: 6, exchange: 2, ...client },
      rules,
    );
    expect(['recent', 'fork']).toContain(refusal?.name);
  });

  it.each([
    { waits: true, refused: undefined },
    { waits: false, refused: 'recent' },
  ])('R03 without a leeway, repeating is safe after the deadline only: $waits', ({ waits, refused }) => {
    const rules = { ...PRODUCTION, maxRequestAge: () => 3 };
    const client = { tabs: 1, mints: ANY_NUMBER, late: 2, leeway: 0, exchange: 4, waits };
    expect(exploreHonestClient(client, rules).refusal?.name).toBe(refused);
  });

  it.each<[string, RotationRules]>([
    ['a late parent is theft', deciding('late-parent', next => ({ name: 'recent', next }))],
    ['an unchanged token is rotated again in the window', deciding('unchanged', asIfTheWindowWereOver)],
    ['a retry in the window gets another successor', deciding('retry-in-window', asIfTheWindowWereOver)],
    ['a successor is rotated in the window', deciding('confirm', asIfTheWindowWereOver)],
    ['an answer brings the old refresh token where it is not new', BRINGS_OLD_TOKENS],
    ['a mint starts no window', withoutWindowAfter('mint')],
    ['a retry in the window does not restart it', withoutWindowAfter('retry-in-window')],
    ['a retry after the window starts none', withoutWindowAfter('retry-of-lost-response')],
    ['confirm-and-mint starts no window', withoutWindowAfter('confirm-and-mint')],
  ])('PROTOCOL promise 1: the search notices that %s', (_, rules) => {
    const { refusal } = exploreHonestClient({ tabs: 3, mints: ANY_NUMBER, ...PROMISED_COARSELY }, rules);
    expect(['recent', 'fork']).toContain(refusal?.name);
  });

  it.each([0, 1, 5])('R03 a lone tab may retry after any lost answer at any later time (leeway of %i)', leeway => {
    const { refusal, states } = exploreHonestClient({ tabs: 1, mints: ANY_NUMBER, leeway, exchange: 8 });
    expect(refusal).toBeUndefined();
    expect(states).toBeGreaterThan(100);
  });

  it('R04 fifty parallel refreshes of one token get one successor, which then works', () => {
    let row = FRESH;
    const served = Array.from({ length: 50 }, (_, request) => {
      const { name, next } = rotate(row, SHARED, `candidate ${request}`);
      row = { ...next, inWindow: true };
      return `${name}: ${next.successorHash}`;
    });
    expect(new Set(served)).toEqual(new Set(['mint: candidate 0', 'retry-in-window: candidate 0']));
    expect(rotate(row, { generation: 1, hash: 'candidate 0' }, 'other').name).toBe('confirm');
  });
});

describe('PROTOCOL promise 2: two parties with the same token cannot both go on', () => {
  it.each(['apart', 'none'] as const)('PROTOCOL promise 2: one of them ends up refused (windows: %s)', windows => {
    const { endless, refusals, states } = exploreTwoParties(windows);
    expect(endless).toEqual([]);
    expect(refusals).toEqual(['fork', 'recent', 'stale']);
    expect(states).toBeGreaterThan(100);
  });

  it.each(['apart', 'none'] as const)(
    'PROTOCOL promise 2: no child of the shared token is confirmed while both are alive (windows: %s)',
    windows => expect(exploreTwoParties(windows).generationsBothAlive).toBe(0),
  );

  it('PROTOCOL promise 2: within the window of the other, both can go on', () => {
    const { endless, generationsBothAlive } = exploreTwoParties('shared');
    expect(endless).toEqual(
      expect.arrayContaining(['thief: retry-in-window for 0:current', 'victim: confirm-and-mint for 1:successor']),
    );
    expect(generationsBothAlive).toBe(2);
  });

  it.each<[string, RotationRules]>([
    ['a retry after the window gets the same successor', deciding('retry-of-lost-response', asIfInTheWindow)],
    ['a late parent is served after the window', deciding('recent', asIfInTheWindow)],
  ])('PROTOCOL promise 2: the search notices that %s', (_, rules) => {
    const { endless, generationsBothAlive } = exploreTwoParties('none', rules);
    expect(endless).not.toEqual([]);
    expect(generationsBothAlive).toBe(2);
  });

  it.each(['apart', 'none'] as const)(
    'PROTOCOL promise 2: nor does a thief go on unnoticed by refreshing and acting with other access tokens (windows: %s)',
    windows => expect(exploreTwoParties(windows).unnoticed).toEqual([]),
  );

  it.each(['apart', 'none'] as const)(
    'PROTOCOL promise 2: the search notices that access tokens off the lineage are accepted (windows: %s)',
    windows => {
      const lenient: RotationRules = {
        ...PRODUCTION,
        use: (state, used, branchOf) => {
          const decided = use(state, used, branchOf);
          return decided.name === 'fork' ? { name: undefined, next: state } : decided;
        },
      };
      expect(exploreTwoParties(windows, lenient).unnoticed).toEqual(
        expect.arrayContaining(['thief: retry-of-lost-response for 0:current', 'thief uses 1:forgotten']),
      );
    },
  );

  it.each<[string, (state: RotationState) => RotationState]>([
    ['access', state => use(state, { generation: 1, branch: 'loud' }, hash => hash).next],
    ['refresh', state => rotate(state, { generation: 1, hash: 'loud' }, 'grandchild').next],
  ])('R02 who mints first and keeps quiet is a fork once the other uses its %s token', (_, go) => {
    const minted = rotate(FRESH, SHARED, 'quiet');
    const retried = rotate(minted.next, SHARED, 'loud');
    expect([minted.name, retried.name]).toEqual(['mint', 'retry-of-lost-response']);

    const used = go(retried.next);
    expect(rotate(used, { generation: 1, hash: 'quiet' }, 'other').name).toBe('fork');
    expect(use(used, { generation: 1, branch: 'quiet' }, hash => hash).name).toBe('fork');
    expect(use(retried.next, { generation: 1, branch: 'quiet' }, hash => hash).name).toBe('fork');
    expect(rotate(used, SHARED, 'other').name).toBe('recent');
  });
});

describe('PROTOCOL promise 5: a database that has lost commits logs nobody out', () => {
  const DEPTH = 11;

  it('PROTOCOL promise 5: no honest client is refused that brings its access token, whatever was lost', () => {
    const { refusal, cases, states } = exploreLostCommits(DEPTH);
    expect(refusal).toBeUndefined();
    expect(cases).toContain('recovered');
    expect(states).toBeGreaterThan(500);
  });

  it('PROTOCOL promise 5: without its access token it is unknown', () => {
    expect(exploreLostCommits(DEPTH, undefined, false).refusal?.name).toBe('unknown');
  });

  it.each<[string, Partial<LossyRules>]>([
    [
      'a successor whose commit is lost is a fork',
      { rotate: (state, given, candidate) => rotate(state, { ...given, issue: given.issue && 'known' }, candidate) },
    ],
    [
      'its access token is a fork',
      { use: (state, used, branchOf) => use(state, { ...used, isLater: false }, branchOf) },
    ],
  ])('PROTOCOL promise 5: the search notices that %s', (_, rules) => {
    expect(exploreLostCommits(DEPTH, { rotate, use, ...rules }).refusal?.name).toBe('fork');
  });

  it('PROTOCOL promise 5: with nothing lost no token that this server has issued is unknown', () => {
    const named = new Set<RotationCase>();
    const recording: RotationRules = {
      ...PRODUCTION,
      rotate(state, given, candidate) {
        const decided = rotate(state, given, candidate);
        named.add(decided.name);
        return decided;
      },
    };
    const client = { mints: ANY_NUMBER, leeway: 6, exchange: 2, late: 1 };
    for (const tabs of [1, 2]) exploreHonestClient({ tabs, ...client }, recording);
    for (const windows of ['apart', 'shared', 'none'] as const) exploreTwoParties(windows, recording);
    expect(named).toContain('stale');
    expect([...named].filter(name => name === 'unknown' || name === 'recovered')).toEqual([]);
  });
});
