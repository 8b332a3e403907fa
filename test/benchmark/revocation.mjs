// How long until the last of four processes refuses what was taken back, and what it costs them to know.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client } from 'pg';
import { SESSION_MIGRATIONS, SessionModule, SessionService } from '../../dist/index.js';
import { RevocationState } from '../../build/rules/revocation-state.js';
import { startEmbeddedPostgres } from '../../sample/app/dist/embedded-postgres.js';

const PROCESSES = 4;
const SESSIONS = 1_000;
const TRIALS = { session: 97, user: 97, key: 6 };
const GUARDED_REQUESTS = 4_000;
const REVOCATIONS = 10_000;

/** @returns rows of a table */
export async function measure() {
  // First, while there is nothing else on the heap.
  const memory = measureMemory();
  const folder = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : tmpdir(), 'jwt-session-bench-'));
  const server = await startEmbeddedPostgres(folder, ['max_connections=200']);
  const processes = [];
  let app;
  try {
    for (let started = 0; started < PROCESSES; started++) processes.push(await startSample(server.url));
    app = await startIssuer(server.url);
    const sessions = app.get(SessionService);
    const latencies = await measureLatency(sessions, processes);
    return [...latencies, await countStatements(sessions, processes, server.url), ...memory];
  } finally {
    await app?.close();
    await Promise.all(processes.map(({ stop }) => stop()));
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
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
    median: `${quantile(times, 0.5).toFixed(1)} ms`,
    p99: `${quantile(times, 0.99).toFixed(1)} ms`,
  }));
}

/** Transactions that the database has seen meanwhile: those of the polls, and none for the requests. */
async function countStatements(sessions, processes, url) {
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
    median: String(after - before),
    p99: '',
  };
}

function measureMemory() {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const heap = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const ids = Array.from({ length: REVOCATIONS }, () => crypto.randomUUID());
  const kinds = {
    sessions: id => ({ sessions: [{ id, reason: 'logout' }] }),
    users: id => ({ users: [{ id, version: 1 }] }),
  };
  const bytesPer = announcement => {
    const state = new RevocationState(675_000);
    const before = heap();
    // Strings of their own, as those that come out of a notification.
    for (const id of ids) state.merge(announcement(Buffer.from(id).toString()), Date.now());
    return (heap() - before) / state.size;
  };
  return Object.entries(kinds).map(([kind, announcement]) => {
    // Once for the compiler, and what it leaves behind.
    bytesPer(announcement);
    return {
      measure: `heap per revocation in memory (${kind}, ${REVOCATIONS})`,
      median: `${bytesPer(announcement).toFixed(0)} bytes`,
      p99: '',
    };
  });
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
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  // Polls every three minutes: what is in force sooner was told by notification.
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

function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

function shuffled(values) {
  return values
    .map(value => ({ value, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value);
}
