// What open streams (`endOf`) cost: in memory, and refreshes beside them.
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SessionService } from '../../../dist/index.js';
import { startLibrary } from '../contestants/library.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { shuffled } from '../support/statistics.mjs';

const STREAMS = 5_000;
const CALLERS = 32;
const ROUNDS = 5;
const ROUND_MS = 1_500;
const WARM_UP_MS = 500;
const SETTLING_MS = 500;

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
      const before = heap();
      const first = open();
      const bytes = (heap() - before) / STREAMS;
      for (const stream of first) stream.unsubscribe();
      await refreshFor(sessions, logins);
      const rounds = { alone: [], beside: [] };
      for (let round = 0; round < ROUNDS; round++) {
        for (const way of shuffled(Object.keys(rounds))) {
          const streams = way === 'beside' ? open() : [];
          // Each stream checks its session when it is opened. The collector leaves the code cold.
          heap();
          await sleep(SETTLING_MS);
          await refreshFor(sessions, logins, WARM_UP_MS);
          rounds[way].push(await refreshFor(sessions, logins));
          for (const stream of streams) stream.unsubscribe();
        }
      }
      return [
        resultOf('refresh without streams', rounds.alone),
        resultOf(`refresh beside ${STREAMS} streams`, rounds.beside),
        { measure: 'heap for a stream', contestant: LIBRARY, unit: 'bytes', value: bytes },
      ];
    } finally {
      await app.close();
    }
  });
}

async function refreshFor(sessions, logins, milliseconds = ROUND_MS) {
  const began = performance.now();
  let count = 0;
  const caller = async () => {
    while (performance.now() - began < milliseconds) {
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
