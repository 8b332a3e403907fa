import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type LoggedFact, RevocationLog } from '../../lib/rules/revocation-log.js';
import { RevocationState } from '../../lib/rules/revocation-state.js';

const SPAN = 1_000;

/** Milliseconds pass, facts arrive, or the reader reads a page. */
const step = fc.oneof(
  fc.record({ pass: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ facts: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ limit: fc.integer({ min: 1, max: 4 }) }),
);

describe('the log of revocations', () => {
  it('gives every fact that may still matter to a reader, once and in order, at any pace', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const log = new RevocationLog(SPAN);
        const [written, read]: [LoggedFact[], LoggedFact[]] = [[], []];
        let [now, next] = [0, 0];
        const readPage = (limit: number) => {
          const page = log.read(next, limit, now);
          read.push(...page.facts);
          next = page.next;
          return page.more;
        };
        for (const one of steps) {
          if ('pass' in one) now += one.pass;
          else if ('limit' in one) readPage(one.limit);
          else {
            for (let index = 0; index < one.facts; index++) {
              const fact: LoggedFact = { kind: 'users', id: `user ${written.length}`, value: 1, at: now };
              written.push(fact);
              log.append(fact);
            }
          }
        }
        while (readPage(2));
        const missed = written.filter(fact => !read.includes(fact));
        expect(missed.filter(({ at }) => at + SPAN > now)).toEqual([]);
        expect(read).toEqual(written.filter(fact => read.includes(fact)));
      }),
    );
  });

  it('reads from the beginning for a number that it never gave', () => {
    const log = new RevocationLog(SPAN);
    log.append({ kind: 'users', id: 'ada', value: 1, at: 0 });
    expect(log.read(7, 10, 0).facts).toHaveLength(1);
    expect(log.read(1, 10, 0)).toEqual({ facts: [], next: 1, more: false });
  });

  it('is short again after a span', () => {
    const log = new RevocationLog(SPAN);
    for (let at = 0; at < 20 * SPAN; at++) log.append({ kind: 'users', id: 'ada', value: at, at });
    const { facts, next } = log.read(0, Infinity, 20 * SPAN);
    expect(next).toBe(20 * SPAN);
    expect(facts.length).toBeLessThanOrEqual(SPAN * 1.01 + 1);
  });

  it('has each fact of a state once, however often a poll repeats it, and no hint', () => {
    const log = new RevocationLog(SPAN);
    const state = new RevocationState(SPAN, log);
    const facts = () => log.read(0, Infinity, 0).facts.map(({ kind, id, value }) => [kind, id, value]);
    state.merge({ sessions: [{ id: 'a', reason: 'logout' }], users: [{ id: 'ada', version: 2 }] }, 0, 'hint');
    expect(facts()).toEqual([]);
    for (let poll = 0; poll < 3; poll++) {
      state.startPoll();
      state.merge({ sessions: [{ id: 'a', reason: 'logout' }], users: [{ id: 'ada', version: 2 }] }, 0, 'poll');
      state.finishPoll(0);
    }
    state.merge({ users: [{ id: 'ada', version: 1 }], claims: [{ id: 'b', version: 1 }] }, 0, 'commit');
    state.merge({ users: [{ id: 'ada', version: 3 }] }, 0, 'commit');
    expect(facts()).toEqual([
      ['sessions', 'a', 'logout'],
      ['users', 'ada', 2],
      ['claims', 'b', 1],
      ['users', 'ada', 3],
    ]);
  });
});
