// What logging in, refreshing, listing and logging out cost, through pools of equal size.
import {
  bareStore,
  betterAuthStore,
  expressSessionStore,
  libraryStore,
  supertokensStore,
} from '../contestants/session-stores.mjs';
import { timeOperations } from '../support/operations.mjs';
import { onConnection, withPostgres } from '../support/postgres.mjs';

/** Many first: the code is warm then for the one, who would need long to warm it up. */
const CALLERS = [32, 1];

/** In milliseconds, by callers. After the operations that warm driver, pool and server up, less is enough. */
const WARM_UP = { 32: 1_500, 1: 500 };
const LONG_WARM_UP = { 32: 2_500, 1: 700 };
const WARMING = new Set(['logIn', 'refresh']);
const USERS = Array.from({ length: 2_000 }, (_, user) => `user-${user}`);
/** Users whose sessions stay, so many each; the others log in and out. */
const RESIDENTS = USERS.slice(0, 400);
const SESSIONS_EACH = 5;

const STORES = {
  bare: bareStore,
  library: libraryStore,
  supertokens: supertokensStore,
  better_auth: betterAuthStore,
  express_session: expressSessionStore,
};

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const stores = [];
    try {
      for (const [database, start] of Object.entries(STORES)) {
        const url = await createDatabase(database);
        const store = await start(url, USERS);
        stores.push(store);
        await populate(store, url);
      }
      const results = [];
      for (const [measure, operationOf] of Object.entries(OPERATIONS)) {
        const warmUp = WARMING.has(measure) ? LONG_WARM_UP : WARM_UP;
        for (const callers of CALLERS) {
          const able = stores.filter(({ mostCallers }) => !(callers > mostCallers?.[measure]));
          const operations = able.map(operationOf).filter(operation => operation !== undefined);
          results.push(
            ...(await timeOperations(`${measure}, ${callers} caller${callers === 1 ? '' : 's'}`, callers, operations, {
              warmUp: warmUp[callers],
            })),
          );
        }
      }
      return results;
    } finally {
      await Promise.all(stores.map(store => store.stop()));
    }
  });
}

/** The residents' sessions. Their tables are analysed as autovacuum does it within a minute. */
async function populate(store, url) {
  const analyse = () => onConnection(url, client => client.query('VACUUM ANALYZE'));
  await logInAll(store, RESIDENTS.slice(0, 20));
  await analyse();
  for (let session = 1; session < SESSIONS_EACH; session++) await logInAll(store, RESIDENTS);
  store.logins = await logInAll(store, RESIDENTS);
  await analyse();
}

/** One after the other in so many lanes. */
async function logInAll(store, users) {
  const logins = [];
  let next = 0;
  const lane = async () => {
    while (next < users.length) logins.push(await store.logIn(users[next++]));
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  return logins;
}

const OPERATIONS = {
  logIn: store => ({ name: store.name, prepare: inTurn(USERS), run: user => store.logIn(user) }),
  refresh(store) {
    if (!store.refresh) return undefined;
    const { logins } = store;
    const run = async place => {
      logins[place] = await store.refresh(logins[place]);
    };
    return { name: store.name, prepare: inTurn([...logins.keys()]), run };
  },
  list(store) {
    return store.list && { name: store.name, prepare: inTurn(RESIDENTS), run: user => store.list(user) };
  },
  logOut(store) {
    if (!store.logOut) return undefined;
    const prepare = count => logInAll(store, inTurn(USERS)(count));
    return { name: store.name, prepare, most: 500, run: login => store.logOut(login) };
  },
  logOutAll(store) {
    if (!store.logOutAll) return undefined;
    const guests = inTurn(USERS.slice(RESIDENTS.length));
    const prepare = async count => {
      const users = guests(count);
      await logInAll(
        store,
        users.flatMap(user => Array(SESSIONS_EACH).fill(user)),
      );
      return users;
    };
    return { name: store.name, prepare, most: 100, run: user => store.logOutAll(user) };
  },
};

function inTurn(values) {
  let next = 0;
  return count => Array.from({ length: count }, () => values[next++ % values.length]);
}
