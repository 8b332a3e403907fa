import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Announcement, elapsed, RevocationState } from '../../lib/rules/revocation-state.js';

const SPAN = 1_000;

const IDS = ['a', 'b', 'c', 'd'];
const id = fc.constantFrom(...IDS);
// A session ends once, for one reason: the database's row says which.
const ended = id.map(session => ({ id: session, reason: `why ${session} ended` }));
const raised = fc.record({ id, version: fc.integer({ min: 1, max: 5 }) });
const announcement: fc.Arbitrary<Announcement> = fc.record(
  { sessions: fc.array(ended), users: fc.array(raised), claims: fc.array(raised) },
  { requiredKeys: [] },
);
const announcements = fc.array(announcement, { maxLength: 8 });

function merged(...news: readonly Announcement[]): RevocationState {
  const state = new RevocationState(SPAN);
  for (const one of news) state.merge(one, 0);
  return state;
}

/** Everything that can be asked of it. */
function knowledge(state: RevocationState): unknown[] {
  const versions = [0, 1, 2, 3, 4, 5];
  return IDS.map(one => ({
    reason: state.reasonOf(one),
    invalidated: versions.map(accessVersion => state.isInvalidated(token({ userId: one, accessVersion }))),
    outdated: versions.map(tokenVersion => state.isOutdated(token({ sessionId: one, tokenVersion }))),
  }));
}

function token(differences: object) {
  return { sessionId: 'some session', userId: 'ada', accessVersion: 0, tokenVersion: 0, ...differences };
}

describe('what ended, in memory', () => {
  it('does not depend on the order in which news arrives', () => {
    const shuffled = announcements.chain(news =>
      fc.tuple(fc.constant(news), fc.shuffledSubarray(news, { minLength: news.length })),
    );
    fc.assert(
      fc.property(shuffled, ([news, other]) => {
        expect(knowledge(merged(...other))).toEqual(knowledge(merged(...news)));
      }),
    );
  });

  it('does not change when news comes twice, which is no news then', () => {
    fc.assert(
      fc.property(announcements, news => {
        const state = merged(...news);
        const before = knowledge(state);
        expect(news.flatMap(one => state.merge(one, 0))).toEqual([]);
        expect(knowledge(state)).toEqual(before);
      }),
    );
  });

  it('only grows: a refused token stays refused, whatever arrives', () => {
    const refused = (state: RevocationState) => JSON.stringify(knowledge(state)).split('true').length;
    fc.assert(
      fc.property(announcements, announcement, (news, more) => {
        const state = merged(...news);
        const [before, known] = [refused(state), IDS.filter(one => state.reasonOf(one) !== undefined)];
        state.merge(more, 0);
        expect(refused(state)).toBeGreaterThanOrEqual(before);
        expect(IDS.filter(one => state.reasonOf(one) !== undefined)).toEqual(expect.arrayContaining(known));
      }),
    );
  });

  it('refuses what is older than a version, not what was issued with it', () => {
    const state = merged({ users: [{ id: 'ada', version: 2 }], claims: [{ id: 'a', version: 3 }] });
    expect(state.isInvalidated(token({ accessVersion: 1 }))).toBe(true);
    expect(state.isInvalidated(token({ accessVersion: 2 }))).toBe(false);
    expect(state.isInvalidated(token({ userId: 'grace' }))).toBe(false);
    expect(state.isOutdated(token({ sessionId: 'a', tokenVersion: 2 }))).toBe(true);
    expect(state.isOutdated(token({ sessionId: 'a', tokenVersion: 3 }))).toBe(false);
  });

  it('the first reason counts', () => {
    const state = merged(
      { sessions: [{ id: 'a', reason: 'theft/stale' }] },
      { sessions: [{ id: 'a', reason: 'logout' }] },
    );
    expect(state.reasonOf('a')).toBe('theft/stale');
  });

  it('keeps every fact for a full span', () => {
    fc.assert(
      fc.property(announcements, fc.array(fc.nat(SPAN - 1)), (news, times) => {
        const state = merged(...news);
        const before = knowledge(state);
        for (const time of times.toSorted((a, b) => a - b)) state.merge({}, time);
        expect(knowledge(state)).toEqual(before);
      }),
    );
  });

  it('memory is bounded by the revocations of one span, whatever the polls repeat', () => {
    const state = new RevocationState(SPAN);
    let recent: { readonly at: number; readonly id: string }[] = [];
    let largest = 0;
    for (let now = 0; now < 20 * SPAN; now += 10) {
      recent.push({ at: now, id: `id ${now}` });
      recent = recent.filter(({ at }) => at > now - SPAN);
      // A poll tells all of the span again.
      state.merge({ sessions: recent.map(one => ({ id: one.id, reason: 'logout' })) }, now);
      state.merge({ users: recent.map(one => ({ id: one.id, version: 1 })) }, now);
      state.merge({ claims: recent.map(one => ({ id: one.id, version: 1 })) }, now);
      largest = Math.max(largest, state.size);
    }
    expect(largest).toBe((3 * SPAN) / 10);
    state.merge({}, 21 * SPAN);
    expect(state.size).toBe(0);
  });

  it('a version that is raised again is kept from then on, and keeps nothing older in memory', () => {
    const state = new RevocationState(SPAN);
    state.merge({ users: [{ id: 'ada', version: 1 }] }, 0);
    state.merge({ users: [{ id: 'grace', version: 1 }] }, 100);
    state.merge({ users: [{ id: 'ada', version: 2 }] }, 900);
    state.merge({}, SPAN + 100);
    expect(state.isInvalidated(token({ accessVersion: 1 }))).toBe(true);
    expect(state.size).toBe(1);
  });
});

describe('hints', () => {
  const LONG = 600_000;
  const poll = (state: RevocationState, now: number, ...pages: Announcement[]) => {
    state.startPoll();
    for (const page of pages) state.merge(page, now, 'poll');
    return state.finishPoll(now);
  };
  const hint: Announcement = {
    sessions: [{ id: 'a', reason: 'theft:fork' }],
    users: [{ id: 'ada', version: 1e15 }],
    claims: [{ id: 'b', version: 1e9 }],
  };
  const nothing = { sessions: [], users: [], claims: [] };

  it('count until the next poll, which drops them unless it has them', () => {
    const state = new RevocationState(LONG);
    expect(state.merge(hint, 0, 'hint')).toEqual(['a']);
    expect(state.reasonOf('a')).toBe('theft:fork');
    expect(state.isInvalidated(token({}))).toBe(true);
    expect(state.isOutdated(token({ sessionId: 'b' }))).toBe(true);
    expect(poll(state, 1)).toEqual(nothing);
    expect(state.size).toBe(0);

    state.merge(hint, 2, 'hint');
    poll(state, 3, { sessions: [{ id: 'a', reason: 'logout', age: 1 }] });
    poll(state, 4, { sessions: [{ id: 'a', reason: 'logout', age: 2 }] });
    expect(state.reasonOf('a')).toBe('logout');
    expect(state.size).toBe(1);
  });

  it('that arrive during a poll wait for the next one', () => {
    const state = new RevocationState(LONG);
    state.startPoll();
    state.merge(hint, 0, 'hint');
    state.finishPoll(1);
    expect(state.reasonOf('a')).toBe('theft:fork');
    poll(state, 2);
    expect(state.reasonOf('a')).toBeUndefined();
  });

  it('of a version beyond a known one leave that one', () => {
    const state = new RevocationState(LONG);
    const known = { users: [{ id: 'ada', version: 2 }] };
    state.merge(known, 0);
    state.merge(hint, 1, 'hint');
    expect(state.isInvalidated(token({ accessVersion: 2 }))).toBe(true);
    poll(state, 2, known);
    expect(state.isInvalidated(token({ accessVersion: 2 }))).toBe(false);
    expect(state.isInvalidated(token({ accessVersion: 1 }))).toBe(true);
  });

  it('do not fill the memory, and there is room for facts all the same', () => {
    const state = new RevocationState(LONG);
    for (let index = 0; index < 30_000; index++)
      state.merge({ users: [{ id: `user ${index}`, version: 9 }] }, 0, 'hint');
    expect(state.size).toBe(10_000);
    expect(state.isFullOfHints).toBe(true);
    state.merge({ users: [{ id: 'ada', version: 1 }] }, 1);
    expect(state.isInvalidated(token({}))).toBe(true);
    poll(state, 2, { users: [{ id: 'ada', version: 1 }] });
    expect(state.isFullOfHints).toBe(false);
    expect(state.size).toBe(1);
  });

  it('never make a poll report that the database has lost something', () => {
    fc.assert(
      fc.property(fc.array(announcement), fc.array(announcement), (hints, pages) => {
        const state = new RevocationState(LONG);
        for (const one of hints) state.merge(one, 0, 'hint');
        expect(poll(state, 1, ...pages)).toEqual(nothing);
        expect(poll(state, 2, ...pages)).toEqual(nothing);
      }),
    );
  });
});

describe('what the database has lost', () => {
  const LONG = 600_000;
  const facts: Announcement = {
    sessions: [{ id: 'a', reason: 'logout' }],
    users: [{ id: 'ada', version: 3 }],
    claims: [{ id: 'b', version: 2 }],
  };

  it('is what a poll should repeat: what was committed here, or read by an earlier poll', () => {
    const state = new RevocationState(LONG);
    state.merge(facts, 0);
    state.startPoll();
    state.merge(facts, 1, 'poll');
    expect(state.finishPoll(1)).toEqual({ sessions: [], users: [], claims: [] });
    state.startPoll();
    state.merge({ users: [{ id: 'ada', version: 2 }] }, 2, 'poll');
    expect(state.finishPoll(2)).toEqual(facts);
    expect(state.isInvalidated(token({ accessVersion: 2 }))).toBe(true);
  });

  it('is not what was committed during the poll, what the database was asked about alone, or what is a span old', () => {
    const state = new RevocationState(LONG);
    state.merge({ sessions: [{ id: 'a', reason: 'long ago' }] }, 0, 'answer');
    state.merge({ sessions: [{ id: 'b', reason: 'nearly a span ago', age: LONG - 60_000 }] }, 0, 'poll');
    state.startPoll();
    state.merge({ sessions: [{ id: 'c', reason: 'just now' }] }, 1);
    expect(state.finishPoll(2)).toEqual({ sessions: [], users: [], claims: [] });
    state.startPoll();
    expect(state.finishPoll(LONG)).toEqual({ sessions: [], users: [], claims: [] });
  });
});

describe('a poll of what is new', () => {
  const LONG = 600_000;
  const WINDOW = 70_000;
  const nothing = { sessions: [], users: [], claims: [] };

  it('reports what it should have repeated, and not what happened before', () => {
    const state = new RevocationState(LONG);
    const sessions = [
      { id: 'old', reason: 'logout', age: 60_000 },
      { id: 'new', reason: 'logout', age: 20_000 },
    ];
    state.startPoll();
    state.merge({ sessions }, 0, 'poll');
    expect(state.finishPoll(0)).toEqual(nothing);
    state.startPoll();
    expect(state.finishRecentPoll(1, WINDOW)).toEqual({ ...nothing, sessions: [{ id: 'new', reason: 'logout' }] });
    expect(state.reasonOf('old')).toBe('logout');
  });

  it('drops no hint, and tells that some are open until a poll of the whole span confirms or drops them', () => {
    const state = new RevocationState(LONG);
    state.merge({ sessions: [{ id: 'a', reason: 'theft:fork' }], users: [{ id: 'ada', version: 1 }] }, 0, 'hint');
    state.startPoll();
    state.merge({ users: [{ id: 'ada', version: 1 }] }, 1, 'poll');
    state.finishRecentPoll(1, WINDOW);
    expect(state.hasUnconfirmedHints).toBe(true);
    expect(state.reasonOf('a')).toBe('theft:fork');
    state.startPoll();
    state.merge({ users: [{ id: 'ada', version: 1 }] }, 2, 'poll');
    expect(state.finishPoll(2)).toEqual(nothing);
    expect(state.hasUnconfirmedHints).toBe(false);
    expect(state.reasonOf('a')).toBeUndefined();
  });

  it('leaves hints that arrive meanwhile to the next one', () => {
    const state = new RevocationState(LONG);
    state.startPoll();
    state.merge({ claims: [{ id: 'a', version: 1 }] }, 0, 'hint');
    state.finishRecentPoll(1, WINDOW);
    expect(state.hasUnconfirmedHints).toBe(false);
    state.startPoll();
    expect(state.hasUnconfirmedHints).toBe(true);
  });
});

describe('a poll of hundreds of thousands of revocations', () => {
  const LONG = 600_000;
  const PAGE = 2_000;
  const pageOf = (from: number, reason = 'incident'): Announcement => ({
    sessions: Array.from({ length: PAGE }, (_, index) => ({ id: `session ${from + index}`, reason, age: 1 })),
  });

  it('ends as soon as one of few, while requests wait for it', () => {
    const state = new RevocationState(LONG);
    const pages: number[] = [];
    const ends: number[] = [];
    const timed = (times: number[], task: () => void) => {
      const began = performance.now();
      task();
      times.push(performance.now() - began);
    };
    for (let poll = 0; poll < 5; poll++) {
      state.startPoll();
      for (let from = 0; from < 200_000; from += PAGE)
        timed(pages, () => state.merge(pageOf(from), from / PAGE, 'poll'));
      timed(ends, () => expect(state.finishPoll(1_000).sessions).toHaveLength(0));
    }
    expect(state.size).toBe(200_000);
    expect(Math.min(...ends)).toBeLessThan(Math.min(...pages));
  });

  it('is not confused by what arrives between its pages', () => {
    const state = new RevocationState(LONG);
    const nothing = { sessions: [], users: [], claims: [] };
    state.merge(pageOf(0), 0, 'poll');
    state.startPoll();
    state.merge(pageOf(0), 1, 'poll');
    const early = { id: 'session 0', reason: 'of a page that was read' };
    const late = { id: `session ${PAGE}`, reason: 'of a page that comes' };
    const unknown = { id: 'unknown', reason: 'of no page' };
    expect(state.merge({ sessions: [early, late, unknown] }, 2, 'hint')).toEqual([late.id, unknown.id]);
    expect(state.merge({ sessions: [{ id: 'own', reason: 'logout' }] }, 3, 'commit')).toEqual(['own']);
    expect(state.merge(pageOf(PAGE), 4, 'poll')).toHaveLength(PAGE - 1);
    expect(state.finishPoll(5)).toEqual(nothing);
    expect([early, late, unknown].map(hint => state.reasonOf(hint.id))).toEqual(['incident', 'incident', 'of no page']);
    state.startPoll();
    state.merge(pageOf(0), 6, 'poll');
    state.merge(pageOf(PAGE), 7, 'poll');
    expect(state.finishPoll(8)).toEqual({ ...nothing, sessions: [{ id: 'own', reason: 'logout' }] });
    expect(state.reasonOf('unknown')).toBeUndefined();
    expect(state.size).toBe(2 * PAGE + 1);
  });

  it('finds what is lost among what is not, also when it comes back', () => {
    const state = new RevocationState(LONG);
    state.merge({ ...pageOf(0), users: [{ id: 'ada', version: 2 }] }, 0, 'poll');
    const { sessions } = pageOf(0);
    const lost = sessions!.slice(700, 703).map(session => ({ id: session.id, reason: session.reason }));
    const rest = { sessions: sessions!.filter(session => lost.every(one => one.id !== session.id)) };
    for (const poll of [1, 2]) {
      state.startPoll();
      state.merge(rest, poll, 'poll');
      state.merge({ users: [{ id: 'ada', version: 2 }] }, poll, 'poll');
      expect(state.finishPoll(poll)).toEqual({ sessions: lost, users: [], claims: [] });
    }
    state.startPoll();
    state.merge({ sessions, users: [{ id: 'ada', version: 3 }] }, 3, 'poll');
    expect(state.finishPoll(3)).toEqual({ sessions: [], users: [], claims: [] });
  });

  it('is forgotten in portions', () => {
    const state = new RevocationState(LONG);
    for (let from = 0; from < 10_000; from += PAGE) state.merge(pageOf(from), 0, 'poll');
    const sizes = Array.from({ length: 3 }, () => (state.merge({}, LONG + 1), state.size));
    expect(sizes).toEqual([6_000, 2_000, 0]);
    state.startPoll();
    expect(state.finishPoll(LONG + 2).sessions).toEqual([]);
  });
});

describe('how much time has passed', () => {
  it.each([
    ['a machine that slept, whose monotonic clock stood still', { monotonic: 5, wall: 60_000 }, 60_000],
    ['a wall clock that was set back', { monotonic: 5, wall: -60_000 }, 5],
    ['neither', { monotonic: 5, wall: 5 }, 5],
  ])('%s', (_, to, expected) => {
    expect(elapsed({ monotonic: 0, wall: 0 }, to)).toBe(expected);
  });
});
