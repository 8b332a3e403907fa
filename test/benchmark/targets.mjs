import { LIBRARY } from './support/result.mjs';

const BARE = 'limit: one bare prepared statement';

/**
 * What is to be reached: the library's result in a measure as a multiple of a reference's, or a value by itself. Where
 * a measure has rounds, the multiple is the median of those within each round.
 *
 * @typedef {object} Target
 * @property {string} measure
 * @property {string} [contestant] the library, unless it says otherwise
 * @property {string} [of] the contestant that it is compared with, in `ofMeasure` or the same measure
 * @property {string} [ofMeasure]
 * @property {'value' | 'p50' | 'statements'} [quantity]
 * @property {number} [atMost]
 * @property {number} [atLeast]
 */

/** @type {Target[]} */
export const TARGETS = [
  ...['SessionService.verify', 'SessionGuard'].flatMap(way => [
    {
      measure: 'warm token',
      contestant: `${LIBRARY}, ${way}`,
      of: 'limit: Map lookup by a fresh string of 300 characters',
      atMost: 1.5,
    },
    {
      measure: 'warm token',
      contestant: `${LIBRARY}, ${way}`,
      of: way === 'SessionGuard' ? 'fast-jwt with its cache, in a guard' : 'fast-jwt with its cache',
      atMost: 1,
    },
    {
      measure: 'first-seen token',
      contestant: `${LIBRARY}, ${way}`,
      of: 'limit: bare node:crypto',
      atMost: 1.15,
    },
    {
      measure: 'forged token',
      contestant: `${LIBRARY}, ${way}`,
      of: `${LIBRARY}, ${way}, a first-seen token`,
      atMost: 1,
    },
    { measure: 'forged token', contestant: `${LIBRARY}, ${way}`, quantity: 'statements', atMost: 0 },
  ]),
  { measure: 'guarded route, fastify', of: 'limit: no guard', atLeast: 0.88 },
  {
    measure: 'guarded route, fastify',
    contestant: `${LIBRARY}, cookies`,
    of: 'limit: no guard, cookies',
    atLeast: 0.88,
  },
  {
    measure: 'guarded route, fastify',
    contestant: `${LIBRARY}, bound to address and user agent`,
    of: 'limit: no guard',
    atLeast: 0.8,
  },
  // With the price of JwtService, which signs: 1.05 with the signature of node:crypto alone.
  { measure: 'refresh, 32 callers', of: BARE, atLeast: 0.8 },
  { measure: 'refresh, 32 callers', of: 'SuperTokens', atLeast: 8 },
  { measure: 'refresh, 1 caller', of: BARE, quantity: 'p50', atMost: 1.7 },
  { measure: 'logIn, 32 callers', of: BARE, atLeast: 0.85 },
  { measure: 'logOut, 32 callers', of: BARE, atLeast: 1 },
  { measure: 'logIn, 32 callers', of: 'express-session, connect-pg-simple', atLeast: 1 },
  ...['list', 'logOutAll', 'refresh'].map(operation => ({
    measure: `${operation}, 1,000,000 sessions`,
    of: LIBRARY,
    ofMeasure: `${operation}, 1,000 sessions`,
    quantity: 'p50',
    atMost: 1.25,
  })),
  { measure: 'heap-only updates, 1,000,000 sessions', atLeast: 95 },
  { measure: 'disk per session, after 10 refreshes', atMost: 550 },
  { measure: 'disk per session without its user agent, after 10 refreshes', atMost: 400 },
  { measure: 'heap for 10,000 cached verified tokens', atMost: 9_500 },
  { measure: 'heap for 10,000 revocations of sessions', atMost: 1_200 },
  ...['refresh', 'logIn'].flatMap(operation =>
    [2, 5].flatMap(times => [
      {
        measure: `${operation}, ${times} × saturation`,
        of: LIBRARY,
        ofMeasure: `${operation}, saturation beside ${times - 1} × as many`,
        atLeast: 0.9,
      },
      { measure: `${operation}, ${times} × saturation, p99 of what is answered`, atMost: 5_000 },
    ]),
  ),
  { measure: 'refresh beside 5000 streams', of: LIBRARY, ofMeasure: 'refresh without streams', atLeast: 0.9 },
  { measure: 'heap for a stream', atMost: 2_000 },
  {
    measure: '101,000 ended sessions: a poll of what is new',
    of: LIBRARY,
    ofMeasure: '101,000 ended sessions: a poll of the whole span',
    atMost: 0.2,
  },
  { measure: 'guard p99 while polls read 300,000 ended sessions', atMost: 20 },
];

/**
 * @param {Target} target
 * @param {import('./support/result.mjs').Result[]} results
 * @returns {{ target: string, reached: string, met: string } | undefined} undefined where it was not measured
 */
export function judge(target, results) {
  const { measure, contestant = LIBRARY, of, ofMeasure = measure, quantity = 'value', atMost, atLeast } = target;
  const own = find(results, measure, contestant);
  const other = of === undefined ? undefined : find(results, ofMeasure, of);
  if (!own || (of !== undefined && !other)) return undefined;
  const reached = other ? ratio(own, other, quantity) : own[quantity];
  // Statements of timers fall into the time of others.
  const met =
    atMost === undefined ? reached >= atLeast : (quantity === 'statements' ? Math.floor(reached) : reached) <= atMost;
  const limit = `${atMost === undefined ? '≥' : '≤'} ${atMost ?? atLeast}`;
  const reference = of && (ofMeasure === measure ? of.replace('limit: ', '') : ofMeasure);
  const what = quantity === 'value' ? '' : `${quantity} `;
  return {
    target: reference
      ? `${what}${limit} × ${reference}`
      : `${what}${limit} ${quantity === 'value' ? own.unit : ''}`.trim(),
    reached: reached.toFixed(2),
    met: met ? 'yes' : 'NO',
  };
}

function find(results, measure, contestant) {
  return results.find(result => result.measure === measure && result.contestant === contestant);
}

function ratio(own, other, quantity) {
  if (quantity !== 'value' || !own.rounds || own.rounds.length !== other.rounds?.length)
    return own[quantity] / other[quantity];
  const ratios = own.rounds.map((value, round) => value / other.rounds[round]).sort((a, b) => a - b);
  return (ratios[Math.floor((ratios.length - 1) / 2)] + ratios[Math.ceil((ratios.length - 1) / 2)]) / 2;
}
