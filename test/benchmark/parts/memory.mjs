// What it takes to know without asking: what ended early, and which tokens were verified.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SessionService } from '../../../dist/index.js';
import { RevocationState } from '../../../build/rules/revocation-state.js';
import { privateKey, startLibrary } from '../contestants/library.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { asBytes, fresh, tokenMint } from '../support/tokens.mjs';

const COUNT = 10_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export async function measurePart() {
  // First, while there is nothing else on the heap.
  const revocations = measureRevocations();
  return [...revocations, await measureVerified()];
}

function measureRevocations() {
  const ids = Array.from({ length: COUNT }, () => crypto.randomUUID());
  const kinds = {
    sessions: id => ({ sessions: [{ id, reason: 'logout' }] }),
    users: id => ({ users: [{ id, version: 1 }] }),
  };
  const bytesFor = announcement => {
    const state = new RevocationState(675_000);
    const before = heap();
    // Strings of their own, as those that come out of a notification.
    for (const id of ids) state.merge(announcement(Buffer.from(id).toString()), Date.now());
    return ((heap() - before) / state.size) * COUNT;
  };
  return Object.entries(kinds).map(([kind, announcement]) => {
    // Once for the compiler, and what it leaves behind.
    bytesFor(announcement);
    return resultOf(`heap for 10,000 revocations of ${kind}`, bytesFor(announcement));
  });
}

/** As many as the cache holds; the first fifth is for the compiler. */
function measureVerified() {
  return withPostgres(async ({ createDatabase }) => {
    const app = await startLibrary(await createDatabase('memory'));
    try {
      const sessions = app.get(SessionService);
      const { accessToken } = await sessions.logIn('ada', { claims: { role: 'user' } });
      const tokens = asBytes(tokenMint(accessToken, privateKey)(COUNT));
      const verify = async all => {
        for (const [index, token] of all.entries()) {
          // The library's poll gets its turn: sessions whose state is not known are looked up, and these have no row.
          if (index % 100 === 0) await new Promise(setImmediate);
          await sessions.verify(fresh(token));
        }
      };
      await verify(tokens.slice(0, COUNT / 5));
      const before = heap();
      await verify(tokens.slice(COUNT / 5));
      return resultOf('heap for 10,000 cached verified tokens', ((heap() - before) / 4) * 5);
    } finally {
      await app.close();
    }
  });
}

function heap() {
  collect();
  return process.memoryUsage().heapUsed;
}

function resultOf(measure, bytes) {
  return { measure, contestant: LIBRARY, unit: 'kB', value: bytes / 1_000 };
}
