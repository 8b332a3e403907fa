// What open streams (`endOf`) cost: in memory, and refreshes beside them.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SessionService } from '../../../dist/index.js';
import { startLibrary } from '../contestants/library.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';

const STREAMS = 5_000;
const CALLERS = 32;
const ROUNDS = 5;
const ROUND_MS = 1_500;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const app = await startLibrary(await createDatabase('streams'));
    try {
      const sessions = app.get(SessionService);
      const logins = [];
      for (let user = 0; user < STREAMS; user++) logins.push(await sessions.logIn(`user ${user}`));
      const open = () => logins.map(({ session }) => sessions.endOf(session).subscribe());
      await refreshFor(sessions, logins);
      const [alone, beside] = [[], []];
      let bytes = 0;
      for (let round = 0; round < ROUNDS; round++) {
        alone.push(await refreshFor(sessions, logins));
        const before = heap();
        const streams = open();
        bytes = (heap() - before) / STREAMS;
        beside.push(await refreshFor(sessions, logins));
        for (const stream of streams) stream.unsubscribe();
      }
      return [
        resultOf('refresh without streams', alone),
        resultOf(`refresh beside ${STREAMS} streams`, beside),
        { measure: 'heap for a stream', contestant: LIBRARY, unit: 'bytes', value: bytes },
      ];
    } finally {
      await app.close();
    }
  });
}

async function refreshFor(sessions, logins) {
  const began = performance.now();
  let count = 0;
  const caller = async () => {
    while (performance.now() - began < ROUND_MS) {
      await sessions.refresh({ refreshToken: logins[count++ % STREAMS].refreshToken });
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return (count / (performance.now() - began)) * 1_000;
}

function heap() {
  collect();
  return process.memoryUsage().heapUsed;
}

function resultOf(measure, rounds) {
  const sorted = rounds.toSorted((a, b) => a - b);
  return { measure, contestant: LIBRARY, unit: '/s', value: sorted[Math.floor(sorted.length / 2)], rounds };
}
