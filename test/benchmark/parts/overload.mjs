// Twice and five times as many refreshes and logins as are answered at saturation: how many are answered in time.
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionService } from '../../../dist/index.js';
import { startLibrary } from '../contestants/library.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { median, quantile, shuffled, spread } from '../support/statistics.mjs';

const SESSIONS = 2_000;
const CALLERS = 128;
const ROUNDS = 3;
const SATURATION_MS = 3_000;
const OVERLOAD_MS = 6_000;
const TICK_MS = 5;
/** A client that waits longer has given up. */
const PATIENCE_MS = 5_000;
const OVERLOADS = [2, 5];

const REFUSAL = new Error('refused');
/** What a refusal costs a client in this process at the least. */
const refuse = () => Promise.reject(REFUSAL);

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
      for (const [name, operation] of Object.entries(operations)) results.push(...(await measure(name, operation)));
      return results;
    } finally {
      await app.close();
    }
  });
}

/**
 * Clients and library share a process, so that the clients' own time is measured as well: saturation with as many more
 * requests that a rejected promise refuses. Each round compares with its own saturation.
 */
async function measure(name, operation) {
  const ways = {
    saturation: () => saturate(operation),
    ...Object.fromEntries(OVERLOADS.map(times => [`${times} × saturation`, rate => overload(operation, rate * times)])),
  };
  const controls = Object.fromEntries(
    OVERLOADS.map(times => [`saturation beside ${times - 1} × as many`, rate => beside(operation, rate * (times - 1))]),
  );
  // Once for the compiler.
  const warm = await saturate(operation);
  await overload(operation, warm.goodput * 2);
  const taken = new Map();
  for (let round = 0; round < ROUNDS; round++) {
    const { goodput } = await note('saturation', ways.saturation);
    for (const [way, run] of shuffled(Object.entries({ ...ways, ...controls }).slice(1))) await note(way, run, goodput);
  }
  return [...taken].flatMap(([way, rounds]) => {
    const each = key => rounds.map(round => round[key]);
    const result = { ...resultOf(`${name}, ${way}`, '/s', each('goodput')), cpu: median(each('cpu')) };
    if (rounds[0].p99 === undefined) return [result];
    return [result, resultOf(`${result.measure}, p99 of what is answered`, 'ms', each('p99'))];
  });

  async function note(way, run, rate) {
    const before = process.cpuUsage();
    const { answered, ...measured } = await run(rate);
    const { user, system } = process.cpuUsage(before);
    const result = { ...measured, cpu: (user + system) / answered };
    console.error(`  ${name}, ${way}: ${JSON.stringify(result)}`);
    taken.set(way, [...(taken.get(way) ?? []), result]);
    return result;
  }
}

/** As many callers as the database is busy with. */
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
  return { goodput: (answered / (performance.now() - began)) * 1_000, answered };
}

/** Requests that come whether or not others were answered. */
async function overload(operation, perSecond) {
  const waits = [];
  const counts = { refused: 0, most: 0, waiting: 0, inTime: 0 };
  const ask = () => {
    const came = performance.now();
    counts.most = Math.max(counts.most, ++counts.waiting);
    operation().then(
      () => {
        const wait = performance.now() - came;
        waits.push(wait);
        counts.waiting--;
        if (wait < PATIENCE_MS) counts.inTime++;
      },
      error => {
        if (error.errorCode !== 'session_store_unavailable') throw error;
        counts.waiting--;
        counts.refused++;
      },
    );
  };
  await arrive(ask, perSecond, OVERLOAD_MS);
  const goodput = (counts.inTime / OVERLOAD_MS) * 1_000;
  while (counts.waiting > 0) await sleep(TICK_MS);
  return { goodput, answered: waits.length, p99: quantile(waits, 0.99), refused: counts.refused, most: counts.most };
}

async function beside(operation, perSecond) {
  let refused = 0;
  const ask = () => void refuse().catch(() => refused++);
  const [result] = await Promise.all([saturate(operation), arrive(ask, perSecond, SATURATION_MS)]);
  return { ...result, refused };
}

async function arrive(ask, perSecond, milliseconds) {
  const began = performance.now();
  let arrived = 0;
  for (let passed = 0; passed < milliseconds; passed = performance.now() - began) {
    for (const due = (passed / 1_000) * perSecond; arrived < due; arrived++) ask();
    await sleep(TICK_MS);
  }
}

function resultOf(name, unit, rounds) {
  return { measure: name, contestant: LIBRARY, unit, value: median(rounds), spread: spread(rounds), rounds };
}
