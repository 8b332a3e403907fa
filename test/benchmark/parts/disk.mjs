// What a session takes on disk after refreshes, which leave dead versions of its row behind.
import { SessionService } from '../../../dist/index.js';
import { CLIENT, fillSessions, refreshTokenOf, updatesOf } from '../contestants/filled-sessions.mjs';
import { startLibrary } from '../contestants/library.mjs';
import { onConnection, withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { shuffled } from '../support/statistics.mjs';

const SESSIONS = 100_000;
const REFRESHES = 10;
const CALLERS = 64;

/**
 * The rows are written by SQL as `logIn` writes them; the refreshes are real, in another order each time, each in a
 * transaction of its own or in the one that the library makes of several. Autovacuum runs by its defaults.
 *
 * @returns {Promise<import('../support/result.mjs').Result[]>}
 */
export function measurePart(count = SESSIONS) {
  return withPostgres(async ({ createDatabase }) => {
    const url = await createDatabase('disk');
    const app = await startLibrary(url, { session: { leeway: '0s' } });
    try {
      return await onConnection(url, async client => {
        await fillSessions(client, count);
        const atFirst = await bytesOf(client, count, 'after the login');
        await refreshAll(app.get(SessionService), count);
        const { updates, heapOnly } = await updatesOf(client);
        const share = {
          measure: 'heap-only updates',
          contestant: LIBRARY,
          unit: '%',
          value: (100 * heapOnly) / updates,
        };
        return [...atFirst, ...(await bytesOf(client, count, `after ${REFRESHES} refreshes`)), share];
      });
    } finally {
      await app.close();
    }
  });
}

async function refreshAll(sessions, count) {
  const tokens = Array.from({ length: count }, (_, n) => refreshTokenOf(n));
  for (let refreshes = 0; refreshes < REFRESHES; refreshes++) {
    console.error(`  refresh ${refreshes + 1} of ${REFRESHES} of ${count} sessions …`);
    const places = shuffled([...tokens.keys()]);
    const caller = async () => {
      for (let place = places.pop(); place !== undefined; place = places.pop()) {
        tokens[place] = (await sessions.refresh({ ...CLIENT, refreshToken: tokens[place] })).refreshToken;
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
  }
}

async function bytesOf(client, count, when) {
  const { rows } = await client.query(
    `SELECT pg_total_relation_size('jwt_session')::float8 AS total, pg_indexes_size('jwt_session')::float8 AS indexes`,
  );
  const result = (measure, bytes) => ({ measure, contestant: LIBRARY, unit: 'bytes', value: bytes / count });
  return [result(`disk per session, ${when}`, rows[0].total), result(`of which indexes, ${when}`, rows[0].indexes)];
}
