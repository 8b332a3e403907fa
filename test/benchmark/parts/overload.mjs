// Twice and five times as many refreshes and logins as are answered at saturation: how many are answered in time.
import { SessionService } from '../../../dist/index.js';
import { startLibrary } from '../contestants/library.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { quantile } from '../support/statistics.mjs';

const SESSIONS = 2_000;
const CALLERS = 128;
const SATURATION_MS = 4_000;
const OVERLOAD_MS = 8_000;
const TICK_MS = 5;
/** A client that waits longer has given up. */
const PATIENCE_MS = 5_000;

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const app = await startLibrary(await createDatabase('overload'));
    try {
      const sessions = app.get(SessionService);
      const tokens = [];
      for (let user = 0; user < SESSIONS; user++) tokens.push((await sessions.logIn(`user ${user}`)).refreshToken);
      let next = 0;
      const operations = {
        refresh: () => sessions.refresh({ refreshToken: tokens[next++ % SESSIONS] }),
        logIn: () => sessions.logIn(`user ${next++ % SESSIONS}`),
      };
      const results = [];
      for (const [name, operation] of Object.entries(operations)) {
        // Once for the compiler.
        await saturate(operation);
        const saturation = await saturate(operation);
        results.push(resultOf(`${name}, saturation`, saturation, '/s'));
        for (const times of [2, 5]) results.push(...(await overload(name, operation, saturation, times)));
      }
      return results;
    } finally {
      await app.close();
    }
  });
}

/** @returns how many are answered a second */
async function saturate(operation) {
  const began = performance.now();
  let answered = 0;
  const caller = async () => {
    while (performance.now() - began < SATURATION_MS) {
      await operation();
      answered++;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return (answered / (performance.now() - began)) * 1_000;
}

/** Requests that come whether or not others were answered. */
async function overload(name, operation, saturation, times) {
  const waits = [];
  let [inTime, refused, most, waiting] = [0, 0, 0, 0];
  const ask = async () => {
    const came = performance.now();
    most = Math.max(most, ++waiting);
    try {
      await operation();
      const wait = performance.now() - came;
      waits.push(wait);
      if (wait < PATIENCE_MS) inTime++;
    } catch (error) {
      if (error.errorCode !== 'session_store_unavailable') throw error;
      refused++;
    } finally {
      waiting--;
    }
  };
  const began = performance.now();
  const all = [];
  let arrived = 0;
  while (performance.now() - began < OVERLOAD_MS) {
    const due = ((performance.now() - began) / 1_000) * saturation * times;
    for (; arrived < due; arrived++) all.push(ask());
    await new Promise(resolve => setTimeout(resolve, TICK_MS));
  }
  const answeredMeanwhile = inTime;
  await Promise.all(all);
  const measure = `${name}, ${times} × saturation`;
  console.error(`  ${measure}: ${arrived} came, ${refused} refused, at most ${most} waited`);
  return [
    resultOf(`${measure}, goodput`, (answeredMeanwhile / OVERLOAD_MS) * 1_000, '/s'),
    resultOf(`${measure}, p99 of what is answered`, quantile(waits, 0.99), 'ms'),
  ];
}

function resultOf(measure, value, unit) {
  return { measure, contestant: LIBRARY, unit, value };
}
