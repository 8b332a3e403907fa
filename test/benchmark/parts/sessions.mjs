// What logging in, refreshing, listing and logging out cost, through pools of equal size. Each store is a process of its
// own, and they take turns.
import { fork } from 'node:child_process';
import { answersOf } from '../support/answers.mjs';
import { timeOperations } from '../support/operations.mjs';
import { withPostgres } from '../support/postgres.mjs';

/** The names of `session-stores.mjs`. */
const STORES = ['bare', 'library', 'supertokens', 'better_auth', 'express_session'];

const OPERATIONS = ['logIn', 'refresh', 'list', 'logOut', 'logOutAll'];

/** Many first: the code is warm then for the one, who would need long to warm it up. */
const CALLERS = [32, 1];

/** In milliseconds, by callers. After the operations that warm driver, pool and server up, less is enough. */
const WARM_UP = { 32: 1_500, 1: 500 };
const LONG_WARM_UP = { 32: 2_500, 1: 700 };
const WARMING = new Set(['logIn', 'refresh']);

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const stores = [];
    try {
      // One after the other: each has the processors to itself while it fills its tables.
      for (const name of STORES) stores.push(await startApart(name, await createDatabase(name)));
      const results = [];
      for (const operation of OPERATIONS) {
        const warmUp = WARMING.has(operation) ? LONG_WARM_UP : WARM_UP;
        for (const callers of CALLERS) {
          const able = stores.filter(store => operation in store.most && !(callers > store.mostCallers?.[operation]));
          const measure = `${operation}, ${callers} caller${callers === 1 ? '' : 's'}`;
          const operations = able.map(({ name, most, perform }) => ({
            name,
            most: most[operation] ?? undefined,
            perform: (together, count) => perform(operation, together, count),
          }));
          results.push(...(await timeOperations(measure, callers, operations, { warmUp: warmUp[callers] })));
        }
      }
      return results;
    } finally {
      await Promise.all(stores.map(({ stop }) => stop()));
    }
  });
}

async function startApart(name, url) {
  const child = fork(new URL('../contestants/store-process.mjs', import.meta.url), [name, url]);
  const answer = answersOf(child, name);
  const store = await answer();
  return {
    ...store,
    perform(operation, callers, count) {
      child.send({ operation, callers, count });
      return answer();
    },
    stop: () => new Promise(resolve => child.once('exit', resolve).disconnect()),
  };
}
