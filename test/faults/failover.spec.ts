import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionClock } from '../../lib/common/clock.js';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { BearerClient } from '../support/bearer-client.js';
import { CookieClient } from '../support/client.js';
import type { SharedClock, TestDatabase } from '../support/database.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';
import { Cluster } from './cluster.js';

const CLIENTS = 12;
const SLOW = 120_000;

type Client = CookieClient | BearerClient;

/** Repeats while the database is away. */
async function refresh(client: Client) {
  for (;;) {
    const answer = client instanceof CookieClient ? await client.refresh() : await client.refreshWithBoth();
    if (answer.status !== 503) return answer;
    await sleep(100);
  }
}

describe('R09: the database is another one', () => {
  let cluster: Cluster;
  let test: TestApp;
  let clients: Client[];
  beforeEach(async () => {
    cluster = await Cluster.start();
    const { port } = await cluster.network();
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    test = await startTestApp({
      platform: 'fastify',
      database: { url } as TestDatabase,
      clock: new SessionClock() as SharedClock,
      session: { transport: 'both' },
      typeorm: { extra: { connectionTimeoutMillis: 5_000, query_timeout: 10_000 } },
    });
    clients = Array.from({ length: CLIENTS }, (_, index) =>
      index % 2 ? new CookieClient(test.url) : new BearerClient(test.url),
    );
    await Promise.all(clients.map((client, index) => client.logIn(`user ${index}`)));
    await rotate(clients);
    test.events.length = 0;
  }, SLOW);
  afterEach(async () => {
    await test?.close();
    await cluster?.stop();
  }, SLOW);

  /** Everybody refreshes after the window, and uses the new access token. */
  async function rotate(those: readonly Client[], times = 1): Promise<void> {
    for (let time = 0; time < times; time++) {
      await cluster.query("UPDATE jwt_session SET leeway_until = now() - interval '1 s'");
      const answers = await Promise.all(those.map(refresh));
      expect(answers.map(({ status }) => status)).toEqual(those.map(() => 200));
      await Promise.all(those.map(client => client.send('/me')));
      await test.confirmUses();
    }
  }

  const count = (type: string) => test.events.filter(event => event.type === type).length;

  /** Every client goes on, rotates twice more, and is served. */
  async function expectAllLive(those: readonly Client[] = clients): Promise<void> {
    const answers = await Promise.all(those.map(refresh));
    expect(answers.map(({ status, body }) => [status, body.errorCode])).toEqual(those.map(() => [200, undefined]));
    await rotate(those, 2);
    const served = await Promise.all(those.map(client => client.send('/me')));
    expect(served.map(({ status }) => status)).toEqual(those.map(() => 200));
    expect([count('session.theft'), count('session.lost')]).toEqual([0, 0]);
  }

  it(
    'a standby that lacked the last commits takes its place: everybody goes on, and what memory knows is written again',
    async () => {
      const [gone, ...others] = clients as [Client, ...Client[]];
      await cluster.failOverLossily(async () => {
        // Some lose one generation, and some lose two.
        await rotate(others);
        await rotate(others.slice(0, CLIENTS / 2));
        expect(await test.sessions.logOutAll('user 0')).toBe(1);
      });
      await expectAllLive(others);
      expect(count('session.recovered')).toBe(others.length);
      await until(async () => {
        await test.app.get(RevocationFeed).poll();
        return (await test.sessions.list('user 0')).length === 0;
      });
      expect(await refresh(gone)).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
    },
    SLOW,
  );

  it(
    'a synchronous standby takes its place while everybody refreshes: nothing is lost',
    async () => {
      const over = new AbortController();
      const refreshing = clients.map(async client => {
        for (; !over.signal.aborted; await sleep(50)) expect(await refresh(client)).toMatchObject({ status: 200 });
      });
      await cluster.failOver(() => rotate([], 3));
      over.abort();
      await Promise.all(refreshing);
      await expectAllLive();
      expect(count('session.recovered')).toBe(0);
    },
    SLOW,
  );

  it(
    'a copy of its files is restored: everybody goes on who had a session when it was made',
    async () => {
      const restore = await cluster.backUp();
      await Promise.all(clients.map(refresh));
      await rotate(clients, 2);
      await restore();
      await expectAllLive();
      expect(count('session.recovered')).toBe(CLIENTS);
    },
    SLOW,
  );
});
