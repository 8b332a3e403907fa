// Whether operations get slower as sessions grow: two databases in one run, in turn.
import { SessionService } from '../../../dist/index.js';
import { CLIENT, fillSessions, refreshTokenOf, SESSIONS_EACH, updatesOf } from '../contestants/filled-sessions.mjs';
import { startLibrary } from '../contestants/library.mjs';
import { timeOperations } from '../support/operations.mjs';
import { onConnection, withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';

const SIZES = [1_000, 1_000_000];
/** Sessions that are refreshed, evenly spread over all. */
const REFRESHED = 1_000;

const LENGTHS = { rounds: 5, warmUp: 2_000, round: 300 };

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart(sizes = SIZES) {
  return withPostgres(async ({ createDatabase }) => {
    const databases = [];
    try {
      for (const size of sizes) {
        const url = await createDatabase(`sessions_${size}`);
        const app = await startLibrary(url, { session: { leeway: '0s' } });
        databases.push({ size, url, app, sessions: app.get(SessionService) });
        await onConnection(url, client => fillSessions(client, size));
      }
      const results = [];
      for (const [name, operationOf] of Object.entries(OPERATIONS)) {
        const operations = databases.map(database => ({ name: String(database.size), ...operationOf(database) }));
        const timed = await timeOperations(`${name} as sessions grow`, 1, operations, LENGTHS);
        results.push(
          ...timed.map(({ contestant: size, ...result }) => ({
            ...result,
            measure: `${name}, ${Number(size).toLocaleString('en')} sessions`,
            contestant: LIBRARY,
          })),
        );
        if (name === 'refresh') results.push(await heapOnlyShare(databases.at(-1)));
      }
      return results;
    } finally {
      await Promise.all(databases.map(({ app }) => app.close()));
    }
  });
}

const OPERATIONS = {
  refresh({ size, sessions }) {
    const tokens = Array.from({ length: REFRESHED }, (_, place) =>
      refreshTokenOf(Math.floor((place * size) / REFRESHED)),
    );
    const run = async place => {
      tokens[place] = (await sessions.refresh({ ...CLIENT, refreshToken: tokens[place] })).refreshToken;
    };
    return { prepare: inTurn(shuffledNumbers(REFRESHED)), run };
  },
  list({ size, sessions }) {
    const users = shuffledNumbers(size / SESSIONS_EACH).slice(0, 10_000);
    return { prepare: inTurn(users), run: user => sessions.list(`user-${user}`) };
  },
  logOutAll({ sessions }) {
    let guests = 0;
    const prepare = async count => {
      const users = Array.from({ length: count }, () => `guest-${guests++}`);
      const logIns = users.flatMap(user => Array(SESSIONS_EACH).fill(user));
      await Promise.all(logIns.map(user => sessions.logIn(user, { ...CLIENT, claims: { role: 'user' } })));
      return users;
    };
    return { prepare, most: 100, run: user => sessions.logOutAll(user) };
  },
};

async function heapOnlyShare({ size, url }) {
  const { updates, heapOnly } = await onConnection(url, updatesOf);
  const measure = `heap-only updates, ${size.toLocaleString('en')} sessions`;
  return { measure, contestant: LIBRARY, unit: '%', value: (100 * heapOnly) / updates };
}

function inTurn(values) {
  let next = 0;
  return count => Array.from({ length: count }, () => values[next++ % values.length]);
}

/** The numbers below `count`, in an order that has nothing to do with where the rows lie, and the same in each run. */
function shuffledNumbers(count) {
  const stride = 7_919;
  return Array.from({ length: count }, (_, place) => (place * stride) % count);
}
