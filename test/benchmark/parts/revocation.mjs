// How long until the last of four processes refuses what was taken back, and what it costs them to know.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client } from 'pg';
import { SESSION_MIGRATIONS, SessionModule, SessionService } from '../../../dist/index.js';
import { freePort } from '../../../dist/schematics/database/free-port.js';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { quantile, shuffled } from '../support/statistics.mjs';

const PROCESSES = 4;
const SESSIONS = 1_000;
const TRIALS = { session: 49, user: 49, key: 2 };
const GUARDED_REQUESTS = 4_000;

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ url }) => {
    const processes = [];
    let app;
    try {
      for (let started = 0; started < PROCESSES; started++) processes.push(await startSample(url));
      app = await startIssuer(url);
      const sessions = app.get(SessionService);
      const latencies = await measureLatency(sessions, processes);
      return [...latencies, await countTransactions(sessions, processes, url)];
    } finally {
      await app?.close();
      await Promise.all(processes.map(({ stop }) => stop()));
    }
  });
}

async function measureLatency(sessions, processes) {
  let population = [];
  for (let user = 0; user < SESSIONS; user++) population.push(await sessions.logIn(`user ${user}`));
  await useEverywhere(processes, population);

  const taken = { session: [], user: [], key: [] };
  const trials = Object.entries(TRIALS).flatMap(([what, count]) => Array(count).fill(what));
  for (const [index, what] of shuffled(trials).entries()) {
    const issued = await sessions.logIn(`subject ${index}`);
    await useEverywhere(processes, [issued]);
    const began = performance.now();
    const refused = processes.map(process => untilRefused(process, issued.accessToken));
    if (what === 'session') await sessions.logOut(issued.session.id);
    if (what === 'user') await sessions.invalidateTokens(issued.session.userId, 'access');
    if (what === 'key') await sessions.rotateKeys({ distrust: true });
    taken[what].push(Math.max(...(await Promise.all(refused))) - began);
    if (what !== 'key') continue;
    // Every client refreshes, and nobody logs in again.
    const renewed = [];
    for (const { refreshToken } of population) renewed.push(await sessions.refresh({ refreshToken }));
    population = renewed;
    await useEverywhere(processes, population);
  }
  return Object.entries({ ...taken, all: Object.values(taken).flat() }).map(([what, times]) => ({
    measure: `until the last of ${PROCESSES} processes refuses (${what}, ${times.length} trials)`,
    contestant: LIBRARY,
    unit: 'ms',
    value: quantile(times, 0.5),
    p99: quantile(times, 0.99) * 1_000,
  }));
}

/** Transactions that the database has seen meanwhile: those of the polls, and none for the requests. */
async function countTransactions(sessions, processes, url) {
  const { accessToken } = await sessions.logIn('ada');
  const client = new Client({ connectionString: url });
  await client.connect();
  const transactions = async () => {
    // What each process has counted is published at most once a second.
    await new Promise(resolve => setTimeout(resolve, 2_000));
    const { rows } = await client.query(
      'SELECT xact_commit::int AS count FROM pg_stat_database WHERE datname = current_database()',
    );
    return rows[0].count;
  };
  const before = await transactions();
  for (let count = 0; count < GUARDED_REQUESTS; count++) {
    const status = await statusOf(processes[count % processes.length], accessToken);
    if (status !== 200) throw new Error(`a live session was refused with ${status}`);
  }
  const after = await transactions();
  await client.end();
  return {
    measure: `transactions during ${GUARDED_REQUESTS} guarded requests (polls and this count included)`,
    contestant: LIBRARY,
    unit: 'transactions',
    value: after - before,
  };
}

async function startIssuer(url) {
  class Issuer {}
  const imports = [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url,
      autoLoadEntities: true,
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot({ secret: 'database' }),
  ];
  return NestFactory.createApplicationContext({ module: Issuer, imports }, { logger: false });
}

async function startSample(url) {
  const port = await freePort();
  // Polls every three minutes: what takes effect sooner came by notification.
  const env = { PATH: process.env.PATH, DATABASE_URL: url, PORT: String(port), REVOCATION_MAX_STALENESS: '9m' };
  const child = spawn(process.execPath, ['sample/app/dist/main.js'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.stdout.on('data', chunk => String(chunk).includes('listens on') && resolve());
    child.once('exit', () => reject(new Error('the sample did not start')));
  });
  return {
    url: `http://127.0.0.1:${port}/me`,
    async stop() {
      child.removeAllListeners('exit');
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function statusOf({ url }, token) {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

async function useEverywhere(processes, issued) {
  for (const { accessToken } of issued) {
    const statuses = await Promise.all(processes.map(process => statusOf(process, accessToken)));
    if (statuses.some(status => status !== 200)) throw new Error(`a live session was refused: ${statuses}`);
  }
}

async function untilRefused(process, token) {
  while ((await statusOf(process, token)) === 200);
  return performance.now();
}
