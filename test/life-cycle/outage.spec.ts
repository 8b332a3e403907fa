import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { CASE_LETTERS } from '../../lib/store/rotation-cases.js';
import { type AppBehindProxy, startBehindProxy } from '../support/app-behind-proxy.js';
import { type Answer, CookieClient } from '../support/client.js';
import type { TestDatabase } from '../support/database.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { steal } from '../support/thefts.js';

const POST = { method: 'POST' };

function expectUnavailable(answer: Answer): void {
  expect(answer).toMatchObject({
    status: 503,
    setCookie: [],
    body: { statusCode: 503, errorCode: 'session_store_unavailable' },
  });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answer.headers.get('www-authenticate')).toBeNull();
}

/** What is used of the driver's pool. Its settings are for connections to come, each has its own copy. */
interface Pool {
  readonly options: { connectionTimeoutMillis?: number; query_timeout?: number };
  readonly _clients: readonly { readonly connectionParameters: { query_timeout?: number } }[];
}

describe.each(PLATFORMS)('without a database on %s', platform => {
  let started: AppBehindProxy;
  let test: TestApp;
  let database: TestDatabase;
  let proxy: TcpProxy;
  beforeAll(async () => {
    started = await startBehindProxy({ platform });
    ({ test, database, proxy } = started);
  });
  afterEach(() => restore());
  afterAll(() => started?.close());

  /** How long the driver waits for a database that says nothing; a healthy one may take its time. */
  function limitWaiting(milliseconds?: number): void {
    const { master } = test.app.get(DataSource).driver as unknown as { master: Pool };
    Object.assign(master.options, { connectionTimeoutMillis: milliseconds, query_timeout: milliseconds });
    for (const { connectionParameters } of master._clients) connectionParameters.query_timeout = milliseconds;
  }

  async function stall(): Promise<void> {
    limitWaiting(1_000);
    proxy.stall();
  }

  async function restore(): Promise<void> {
    await proxy.restore();
    limitWaiting();
  }

  async function logIn(userId = 'ada'): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    expect(await client.logIn(userId)).toMatchObject({ status: 200 });
    return client;
  }

  const rows = () => database.query('SELECT * FROM jwt_session ORDER BY id');

  describe.each([
    { gone: 'connections break and are refused', leave: () => proxy.refuse() },
    { gone: 'connections stay open and nothing comes through', leave: stall },
  ])('$gone', ({ leave }) => {
    it('login, refresh and log-out answer 503, nothing half done, and work again without a restart', async () => {
      const [client, leaving] = [await logIn(), await logIn()];
      // The tests before have used access tokens, and each first use is written up to 100 ms later.
      await test.confirmUses();
      const before = await rows();
      await leave();

      const status = test.sessions.status();
      const stranger = new CookieClient(test.url);
      const answers = await Promise.all([
        stranger.logIn('grace'),
        client.sendOnly('/login', { ...POST, body: { userId: 'ada' } }),
        client.sendOnly('/session/refresh', POST),
        leaving.sendOnly('/session/logout', POST),
      ]);
      answers.forEach(expectUnavailable);
      expect(await status).toMatchObject({ status: 'down', database: { status: 'down' } });
      // Guarded routes need no database, and nobody was logged out.
      expect(await client.send('/me')).toMatchObject({ status: 200 });
      expect(await leaving.send('/me')).toMatchObject({ status: 200 });
      expect(await rows()).toEqual(before);

      await restore();
      expect(await stranger.logIn('grace')).toMatchObject({ status: 200 });
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(await client.send('/me')).toMatchObject({ status: 200 });
      const copy = leaving.copy();
      expect(await leaving.send('/session/logout', POST)).toMatchObject({ status: 204 });
      expect(await copy.send('/me')).toMatchObject({ status: 401 });
      expect(await test.sessions.status()).toMatchObject({ status: 'up' });
    });

    it('so do the other routes', async () => {
      const client = await logIn();
      const { sessionId } = (await client.send('/me')).body;
      await leave();
      const answers = await Promise.all([
        client.sendOnly('/session/logout-others', POST),
        client.sendOnly('/session/logout-all', POST),
        client.sendOnly('/session/devices'),
        client.sendOnly(`/session/devices/${sessionId}`, { method: 'DELETE' }),
      ]);
      answers.forEach(expectUnavailable);
      await restore();
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(await client.send('/session/devices')).toMatchObject({ status: 200 });
    });

    it('theft is not declared by halves: it is once the database is back', async () => {
      const { thief, victim } = await steal(test, 'recent');
      await leave();
      expectUnavailable(await thief.sendOnly('/session/refresh', POST));
      await restore();
      expect(await victim.send('/me')).toMatchObject({ status: 200 });
      expect(await thief.refresh()).toMatchObject({ status: 401, body: { errorCode: 'token_theft_detected' } });
    });
  });

  it('R03: a refresh whose commit was not heard of: 503, and repeating is safe, at any time', async () => {
    for (const delay of ['1ms', '31s', '1h']) {
      const client = await logIn();
      const before = client.refreshToken;
      const lost = proxy.loseAnswerTo('jwt_session_rotate');
      expectUnavailable(await client.send('/session/refresh', POST));
      await lost;
      // It was carried out.
      const { sessionId } = (await client.send('/me')).body;
      const [row] = await database.query('SELECT last_case FROM jwt_session WHERE id = $1', [sessionId]);
      expect(row).toEqual({ last_case: CASE_LETTERS.mint });

      await test.advance(delay);
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(client.refreshToken).not.toBe(before);
      expect(await client.refresh()).toMatchObject({ status: 200 });
    }
    expect(test.events.filter(event => event.type === 'session.theft' && event.class !== 'recent')).toEqual([]);
  });

  it('a log-out whose commit was not heard of: 503, and repeating it ends the access token too', async () => {
    const client = await logIn();
    const copy = client.copy();
    const lost = proxy.loseAnswerTo('jwt_session_end_one');
    expectUnavailable(await client.send('/session/logout', POST));
    await lost;
    expect(await client.send('/session/logout', POST)).toMatchObject({ status: 204 });
    expect(client.jar).toEqual(new Map());
    expect(await copy.sendOnly('/session/refresh', POST)).toMatchObject({ status: 401 });
    expect(await copy.sendOnly('/me')).toMatchObject({ status: 401 });
  });

  it('a theft whose commit was not heard of: 503, and repeating tells, and ends the access token too', async () => {
    const { thief, victim } = await steal(test, 'stale');
    const lost = proxy.loseAnswerTo('jwt_session_end_stolen');
    expectUnavailable(await thief.sendOnly('/session/refresh', POST));
    await lost;
    const theft = { status: 401, body: { errorCode: 'token_theft_detected', class: 'stale' } };
    expect(await thief.refresh()).toMatchObject(theft);
    expect(await victim.sendOnly('/me')).toMatchObject(theft);
  });

  it('S02: a login whose commit was not heard of: 503, and repeating it ends the former session', async () => {
    const client = await logIn('grace');
    const before = client.copy();
    const lost = proxy.loseAnswerTo('jwt_session_replace');
    expectUnavailable(await client.send('/login', { ...POST, body: { userId: 'grace' } }));
    await lost;
    expect(await client.logIn('grace')).toMatchObject({ status: 200 });
    expect(await before.sendOnly('/session/refresh', POST)).toMatchObject({ status: 401 });
    expect(await before.sendOnly('/me')).toMatchObject({ status: 401 });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
  });

  it('a confirmation that is lost is made good by the next use', async () => {
    const client = await logIn();
    await client.refresh();
    // The revocations in memory are fresh when the outage begins, after any earlier test.
    await test.app.get(RevocationFeed, { strict: false }).poll();
    await proxy.refuse();
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    await test.confirmUses();
    await restore();
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    await test.confirmUses();
    const { sessionId } = (await client.send('/me')).body;
    const [row] = await database.query('SELECT last_case, generation FROM jwt_session WHERE id = $1', [sessionId]);
    expect(row).toEqual({ last_case: CASE_LETTERS['confirmed-by-use'], generation: 1 });
  });
});
