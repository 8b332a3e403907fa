import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BUILT_PACKAGE } from '../support/built-package.js';
import { TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { SampleProcess } from '../support/sample-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS } from '../support/test-app.js';
import { until } from '../support/until.js';

const SMALL_APPLICATION = fileURLToPath(new URL('../support/small-application.mjs', import.meta.url));

/** The timers of a shutdown take 3 s. The rest is for a machine that is busy. */
const MAX_SHUTDOWN_MS = 10_000;

/** How long a process lives on after it was told to end. */
async function timeToEnd(child: ChildProcess): Promise<number> {
  const ended = once(child, 'exit');
  const told = performance.now();
  child.kill('SIGTERM');
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 60_000);
  await ended;
  clearTimeout(tooLong);
  return performance.now() - told;
}

describe.each(PLATFORMS)('SIGTERM while the database is silent, on %s', platform => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let child: ChildProcess;
  let url: string;
  let refreshTokens: string[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    proxy = await TcpProxy.to(database.url);
    child = spawn(process.execPath, [SMALL_APPLICATION], {
      cwd: BUILT_PACKAGE,
      env: { PATH: process.env.PATH, DATABASE_URL: proxy.url, PLATFORM: platform },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout!.on('data', chunk => (output += String(chunk)));
    await until(() => Promise.resolve(/^\{.*\}$/m.test(output)));
    ({ url, refreshTokens } = JSON.parse(/^\{.*\}$/m.exec(output)![0]) as { url: string; refreshTokens: string[] });
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    await proxy?.close();
    await database?.drop();
  });

  const refresh = (refreshToken: string) =>
    fetch(`${url}/session/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refreshToken }),
    }).then(
      ({ status }) => status,
      () => 'cut off',
    );

  it('the process ends, with refreshes under way, a kept-alive connection and an open stream, which is told', async () => {
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve, reject) => {
      get(`${url}/.well-known/jwks.json`, { agent }, response => void response.resume().on('end', resolve)).on(
        'error',
        reject,
      );
    });
    const stream = await EventStream.open(`${url}/stream`, new Map());
    const open = proxy.connections;
    proxy.stall();
    // In turns of their own, so that each has a statement: more than the pool has connections.
    const refreshes = [];
    for (const refreshToken of refreshTokens) {
      refreshes.push(refresh(refreshToken));
      await sleep(20);
    }
    await until(() => Promise.resolve(proxy.connections > open));
    expect(await timeToEnd(child)).toBeLessThan(MAX_SHUTDOWN_MS);
    expect(child.signalCode).toBe('SIGTERM');
    await stream.ended;
    expect(stream.text).toContain('event: session_store_unavailable');
    for (const outcome of await Promise.all(refreshes)) expect([503, 'cut off']).toContain(outcome);
    agent.destroy();
  });
});

describe.each(PLATFORMS)('the sample on %s', platform => {
  it('ends at SIGTERM while the database is silent', async () => {
    const database = await TestDatabase.create();
    const proxy = await TcpProxy.to(database.url);
    const sample = await SampleProcess.start(database, { DATABASE_URL: proxy.url, HTTP_PLATFORM: platform });
    try {
      proxy.stall();
      const answer = fetch(`${sample.url}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'ada', password: 'lovelace' }),
      }).catch(() => undefined);
      await until(() => Promise.resolve(sample.output.includes('listens')));
      const told = performance.now();
      await sample.stop('SIGTERM');
      expect(performance.now() - told).toBeLessThan(MAX_SHUTDOWN_MS);
      await answer;
    } finally {
      await sample.stop('SIGKILL');
      await proxy.close();
      await database.drop();
    }
  });
});
