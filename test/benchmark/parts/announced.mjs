// How long until the last of four processes knows that a session has ended: by NOTIFY, and by Redis where it is there.
import { fork, spawn, spawnSync } from 'node:child_process';
import { on, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../../dist/schematics/database/free-port.js';
import { startLibrary } from '../contestants/library.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { quantile } from '../support/statistics.mjs';

const PROCESSES = 4;
const TRIALS = 500;
const PROCESS = new URL('../contestants/announced-process.mjs', import.meta.url);

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ url }) => {
    // Makes the tables.
    await (await startLibrary(url)).close();
    const byNotify = await measure(url, {}, 'NOTIFY');
    if (spawnSync('redis-server', ['--version']).status !== 0) return byNotify;
    const port = await freePort();
    const redis = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' });
    await sleep(500);
    try {
      return [...byNotify, ...(await measure(url, { REDIS_URL: `redis://127.0.0.1:${port}` }, 'Redis'))];
    } finally {
      redis.kill();
      await once(redis, 'exit');
    }
  });
}

async function measure(url, environment, carrier) {
  const env = { ...process.env, DATABASE_URL: url, ...environment };
  const children = Array.from({ length: PROCESSES }, () => fork(PROCESS, { env }));
  try {
    await Promise.all(children.map(child => once(child, 'message')));
    const times = [];
    for (let trial = 0; trial < TRIALS; trial++) times.push(await endOne(children, children[trial % PROCESSES]));
    return [
      {
        measure: `until the last of ${PROCESSES} processes knows of a log-out, by ${carrier} (${TRIALS} trials)`,
        contestant: LIBRARY,
        unit: 'ms',
        value: quantile(times, 0.5),
        p99: quantile(times, 0.99) * 1_000,
      },
    ];
  } finally {
    for (const child of children) child.send('stop');
  }
}

/** @returns milliseconds from the call of `logOut` to the last process that knows */
async function endOne(children, ender) {
  ender.send('log in');
  const [{ loggedIn }] = await once(ender, 'message');
  const known = children.map(child => until(child, ({ known: ids }) => ids?.includes(loggedIn)));
  const ended = until(ender, message => message.ended === loggedIn);
  ender.send({ logOut: loggedIn });
  const [{ began }, ...told] = await Promise.all([ended, ...known]);
  return Math.max(...told.map(({ at }) => at)) - began;
}

async function until(child, isIt) {
  for await (const [message] of on(child, 'message')) if (isIt(message)) return message;
}
