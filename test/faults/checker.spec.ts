import { describe, expect, it } from '@jest/globals';
import { APART_MS, check, type Invariant } from './checker.js';
import type { Action, Answered, CommitsLost, Entry, Exchange } from './history.js';
import { MAX_STALENESS_MS, type Mode } from './settings.js';

const SESSION = 'session of ada';
const OK: Answered = { status: 200 };
const DONE: Answered = { status: 204 };
const REVOKED: Answered = { status: 401, code: 'session_revoked' };
const THEFT: Answered = { status: 401, code: 'token_theft_detected' };
const TOKEN = { issued: { from: 0, until: 100 } };

/** An exchange of 100 ms; by ada with `process 0` unless something else is said. */
function exchange(action: Action, sentAt: number, answer?: Answered, other: Partial<Exchange> = {}): Exchange {
  const isOperation = !['log-in', 'refresh', 'use'].includes(action);
  return {
    kind: 'exchange',
    who: isOperation ? 'operator' : 'ada',
    role: isOperation ? 'operator' : 'honest',
    action,
    process: 'process 0',
    sentAt,
    endedAt: sentAt + 100,
    sessionId: SESSION,
    ...(answer ? { answer } : {}),
    ...other,
  };
}

const LOGIN = exchange('log-in', 0, OK, { userId: 'ada' });
const OF_USER = { sessionId: undefined, userId: 'ada' };
const ELSEWHERE = { process: 'process 1' };
const copied = (at: number): Entry => ({ kind: 'copied', at, sessionId: SESSION });
const lost = (from: number, until: number): CommitsLost => ({ kind: 'commits-lost', from, until });
const reported = (at: number): Entry => ({
  kind: 'theft',
  at,
  sessionId: SESSION,
  class: 'fork',
  process: 'process 0',
});

const found = (history: readonly Entry[], mode: Mode = 'live') => [
  ...new Set(check([LOGIN, ...history], mode).map(({ invariant }) => invariant)),
];

/** A thief and a victim refresh by turns, beginning with the thief. */
const turns = (distance: number, count: number, last: Answered = OK) =>
  Array.from({ length: count }, (_, turn) =>
    exchange('refresh', 1_000 + turn * distance, turn === count - 1 ? last : OK, {
      role: turn % 2 === 0 ? 'thief' : 'honest',
    }),
  );

describe('the checker of campaigns finds', () => {
  it.each<[Invariant, string, readonly Entry[]]>([
    ['no 500', 'an answer of 500', [exchange('use', 200, { status: 500 })]],
    ['no 500', 'a 503 that does not say when to repeat', [exchange('use', 200, { status: 503 })]],
    ['no false theft', 'a theft that is declared to an honest client', [exchange('refresh', 200, THEFT)]],
    ['no false theft', 'a theft that only an event tells of', [reported(300)]],
    ['no false theft', 'a theft before the tokens were copied', [reported(300), copied(400)]],
    ['no session lost', 'an honest client whose session was not ended', [exchange('refresh', 200, REVOKED)]],
    [
      'no session lost',
      'a session that was begun after everybody was logged out',
      [exchange('log-out-all', -500, OK, OF_USER), exchange('refresh', 200, REVOKED)],
    ],
    [
      'nothing revoked accepted',
      'a refresh after the log-out',
      [exchange('log-out', 200, DONE), exchange('refresh', 400, OK, ELSEWHERE)],
    ],
    [
      'nothing revoked accepted',
      'a refresh after the theft was told',
      [copied(100), exchange('refresh', 200, THEFT), exchange('refresh', 400, OK)],
    ],
    [
      'nothing revoked accepted',
      'a refresh after refresh tokens were invalidated',
      [exchange('invalidate-refresh', 200, OK, OF_USER), exchange('refresh', 400, OK)],
    ],
    [
      'nothing revoked accepted',
      'an access token that the same process has ended',
      [exchange('log-out', 200, OK), exchange('use', 400, OK, TOKEN)],
    ],
    ...(['log-out-all', 'invalidate-access', 'distrust-keys'] as const).map(
      (verb): [Invariant, string, readonly Entry[]] => [
        'nothing revoked accepted',
        `an access token in another process, after maxStaleness: ${verb}`,
        [
          exchange(verb, 200, OK, verb === 'distrust-keys' ? { sessionId: undefined } : OF_USER),
          exchange('use', 400 + MAX_STALENESS_MS, OK, { ...TOKEN, ...ELSEWHERE }),
        ],
      ],
    ),
    [
      'every write visible',
      'claims that are missing in a token which was issued later',
      [
        exchange('set-claims', 200, OK, { change: 3 }),
        exchange('use', 800, { status: 200, change: 2 }, { issued: { from: 400, until: 500 } }),
      ],
    ],
    [
      'every write visible',
      'a session that is missing in the list',
      [exchange('list', 200, { status: 200, sessions: [] }, OF_USER)],
    ],
    [
      'every write visible',
      'a session that has ended and is listed',
      [exchange('log-out', 200, DONE), exchange('list', 400, { status: 200, sessions: [SESSION] }, OF_USER)],
    ],
    ['no missed theft', 'two parties who go on by turns', [copied(500), ...turns(APART_MS, 4)]],
    ['no defect', 'an unhandled error', [{ kind: 'defect', at: 1, description: 'unhandled' }]],
    ['recovered', 'a client that is not served', [{ kind: 'not-recovered', at: 1, description: 'ada' }]],
  ])('%s: %s', (invariant, _, history) => expect(found(history)).toEqual(expect.arrayContaining([invariant])));

  it('in mode strict, an access token that any process accepts after its end', () => {
    const history = [exchange('log-out', 200, OK), exchange('use', 400, OK, { ...TOKEN, ...ELSEWHERE })];
    expect(found(history, 'strict')).toEqual(['nothing revoked accepted']);
    expect(found(history, 'live')).toEqual([]);
  });
});

describe('the checker of campaigns is content with', () => {
  it.each<[string, readonly Entry[]]>([
    ['a refusal that says when to repeat', [exchange('refresh', 200, { status: 503, retryAfter: '1' })]],
    ['an answer that was not read', [exchange('refresh', 200)]],
    ['a theft', [copied(100), exchange('refresh', 200, THEFT), reported(250)]],
    [
      'a session that an operator has ended',
      [exchange('log-out-all', 200, OK, OF_USER), exchange('use', 400, REVOKED)],
    ],
    ['a session that an operator may have ended', [exchange('log-out', 200), exchange('use', 50_000, REVOKED)]],
    ['a refresh that began before the end was told', [exchange('log-out', 200, OK), exchange('refresh', 250, OK)]],
    [
      'an access token that another process accepts for as long as it may',
      [exchange('log-out', 200, OK), exchange('use', 250 + MAX_STALENESS_MS, OK, { ...TOKEN, ...ELSEWHERE })],
    ],
    [
      'an access token that was issued after the invalidation',
      [
        exchange('invalidate-access', 200, OK, OF_USER),
        exchange('use', 9_000, OK, { issued: { from: 150, until: 350 } }),
      ],
    ],
    [
      'claims that a statement has overwritten which was given up',
      [
        exchange('set-claims', 100, undefined, { change: 2 }),
        exchange('set-claims', 300, OK, { change: 3 }),
        exchange('use', 900, { status: 200, change: 2 }, { issued: { from: 500, until: 600 } }),
      ],
    ],
    ['what a failover has lost', [exchange('refresh', 200, OK), lost(250, 400), exchange('refresh', 900, THEFT)]],
    ['three turns of two parties, and a refusal', [copied(500), ...turns(APART_MS, 4, THEFT)]],
    ['two parties within each other’s windows', [copied(500), ...turns(1_000, 9)]],
  ])('%s', (_, history) => expect(found(history)).toEqual([]));
});
