// node store-process.mjs <store> <database URL>: a store of sessions in a process of its own, which performs operations when
// it is asked to. What one store does to the compiler, the garbage collector or to promises (better-auth uses
// AsyncLocalStorage) is then not counted as another's.
import { perform } from '../support/operations.mjs';
import { onConnection } from '../support/postgres.mjs';
import { STORES } from './session-stores.mjs';

const USERS = Array.from({ length: 2_000 }, (_, user) => `user-${user}`);
/** Users whose sessions stay, so many each; the others log in and out. */
const RESIDENTS = USERS.slice(0, 400);
const SESSIONS_EACH = 5;

const [name, url] = process.argv.slice(2);
const store = await STORES[name](url, USERS);

/** The residents' sessions. Their tables are analysed as autovacuum does it within a minute. */
async function populate() {
  const analyse = () => onConnection(url, client => client.query('VACUUM ANALYZE'));
  await logInAll(RESIDENTS.slice(0, 20));
  await analyse();
  for (let session = 1; session < SESSIONS_EACH; session++) await logInAll(RESIDENTS);
  const logins = await logInAll(RESIDENTS);
  await analyse();
  return logins;
}

/** One after the other in so many lanes. */
async function logInAll(users) {
  const logins = [];
  let next = 0;
  const lane = async () => {
    while (next < users.length) logins.push(await store.logIn(users[next++]));
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  return logins;
}

function inTurn(values) {
  let next = 0;
  return count => Array.from({ length: count }, () => values[next++ % values.length]);
}

const guests = inTurn(USERS.slice(RESIDENTS.length));
const logins = await populate();

const operations = {
  logIn: { prepare: inTurn(USERS), run: user => store.logIn(user) },
  refresh: {
    prepare: inTurn([...logins.keys()]),
    async run(place) {
      logins[place] = await store.refresh(logins[place]);
    },
  },
  list: { prepare: inTurn(RESIDENTS), run: user => store.list(user) },
  logOut: { prepare: count => logInAll(inTurn(USERS)(count)), most: 500, run: login => store.logOut(login) },
  logOutAll: {
    async prepare(count) {
      const users = guests(count);
      await logInAll(users.flatMap(user => Array(SESSIONS_EACH).fill(user)));
      return users;
    },
    most: 100,
    run: user => store.logOutAll(user),
  },
};

process.on('message', async ({ operation, callers, count }) => {
  process.send(await perform(operations[operation], callers, count));
});
// Some stores leave timers behind.
process.on('disconnect', () => store.stop().finally(() => process.exit()));
const offered = Object.entries(operations).filter(([operation]) => store[operation]);
process.send({
  name: store.name,
  mostCallers: store.mostCallers,
  most: Object.fromEntries(offered.map(([operation, { most }]) => [operation, most ?? null])),
});
