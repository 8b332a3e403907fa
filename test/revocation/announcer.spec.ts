import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { getDataSourceToken } from '@nestjs/typeorm';
import { Redis } from 'ioredis';
import { RedisAnnouncer } from 'nestjs-jwt-session/redis';
import type { DataSource } from 'typeorm';
import { SharedClock, TestDatabase } from '../support/database.js';
import { channelOf } from '../support/notifications.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { feedOf, listeners, me, untilListening } from '../support/revocation.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const TYPESCRIPT = fileURLToPath(new URL('../support/typescript.mjs', import.meta.url));
const DYING_PROCESS = fileURLToPath(new URL('../support/announcing-process.ts', import.meta.url));

describeWithRedis('revocations announced by Redis', () => {
  let server: RedisServer;
  let database: TestDatabase;
  let clock: SharedClock;
  let here: TestApp;
  let there: TestApp;
  const clients: Redis[] = [];
  beforeAll(async () => {
    server = await RedisServer.start();
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    here = await start('30s');
    // It polls no sooner than a test says so, or than a message asks for it.
    there = await start('10m');
    await Promise.all([untilListening(here), untilListening(there)]);
  });
  afterEach(async () => {
    server.resume();
    await Promise.all([here, there].map(app => feedOf(app).poll()));
  });
  afterAll(async () => {
    await Promise.all([here?.close(), there?.close()]);
    for (const client of clients) client.disconnect();
    await database?.drop();
    await server?.kill();
  });

  function connected(): Redis {
    const client = new Redis(server.url, { retryStrategy: () => 50 });
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  }

  function start(maxStaleness: string): Promise<TestApp> {
    const announcer = new RedisAnnouncer(connected());
    return startTestApp({ database, clock, session: { revocation: { announcer, maxStaleness } } });
  }

  async function logIn(userId = 'ada') {
    const { session, accessToken, refreshToken } = await here.sessions.logIn(userId);
    expect(await me(there, accessToken!)).toBe('accepted');
    return { id: session.id, token: accessToken!, refreshToken: refreshToken! };
  }

  const becomes = (token: string, answer: string) => until(async () => (await me(there, token)) === answer);
  const degraded = (app: TestApp, since: number) =>
    app.events.slice(since).some(event => event.type === 'revocation.degraded' && event.cause === 'listen');

  it('a session, a user, claims and keys are in force in the other process without a poll, and NOTIFY is not used', async () => {
    const [ended, invalidated, changed] = [await logIn('ada'), await logIn('grace'), await logIn('hopper')];
    const remaining = await logIn('lovelace');
    await here.sessions.logOut(ended.id, { reason: 'lost phone' });
    await here.sessions.invalidateTokens('grace', 'access');
    await here.sessions.setClaims(changed.id, { role: 'none' });
    await becomes(ended.token, 'session_revoked');
    await becomes(invalidated.token, 'access_token_invalid');
    await becomes(changed.token, 'access_token_expired');
    expect(there.events).toContainEqual({
      type: 'session.revoked',
      sessionIds: [ended.id],
      reason: 'lost phone',
      source: 'remote',
    });
    expect(await me(there, remaining.token)).toBe('accepted');
    await here.sessions.rotateKeys({ distrust: true });
    await becomes(remaining.token, 'access_token_invalid');
    expect(await listeners(database)).toEqual([]);
    expect(await there.sessions.status()).toMatchObject({ status: 'up', revocation: { listening: true } });
  });

  it('logOutAll of 1,000 sessions is announced, once for many', async () => {
    for (let batch = 0; batch < 20; batch++)
      await Promise.all(Array.from({ length: 50 }, () => here.sessions.logIn('turing')));
    const since = there.events.length;
    const messages: string[] = [];
    const spy = connected();
    await spy.subscribe(channelOf(here));
    spy.on('message', (_, message) => messages.push(message));
    expect(await here.sessions.logOutAll('turing')).toBe(1_000);
    const told = () =>
      there.events.slice(since).flatMap(event => (event.type === 'session.revoked' ? event.sessionIds : []));
    await until(async () => told().length === 1_000);
    await until(async () => messages.length >= 4);
    expect(messages).toHaveLength(4);
    // Neither a token nor a user's id is in it.
    expect(Object.keys(JSON.parse(messages[0]!) as object).toSorted()).toEqual(['processId', 'reason', 'sessions']);
  });

  it('a transaction is announced after its commit, and one that is rolled back never', async () => {
    const [committed, rolledBack] = [await logIn(), await logIn()];
    const dataSource = here.app.get<DataSource>(getDataSourceToken());
    await dataSource.transaction(async manager => {
      await here.sessions.logOut(committed.id, { manager });
      const other = await logIn();
      await here.sessions.logOut(other.id);
      await becomes(other.token, 'session_revoked');
      expect(await me(there, committed.token)).toBe('accepted');
    });
    await becomes(committed.token, 'session_revoked');
    await dataSource
      .transaction(async manager => {
        await here.sessions.logOut(rolledBack.id, { manager });
        throw new Error('rolled back');
      })
      .catch(() => undefined);
    const last = await logIn();
    await here.sessions.logOut(last.id);
    await becomes(last.token, 'session_revoked');
    expect(await me(there, rolledBack.token)).toBe('accepted');
  });

  it('a forged message is a hint: the next poll drops it, and keys are not forgotten', async () => {
    const { id, token } = await logIn('grace');
    const forger = connected();
    const keys = await database.query<{ kid: string }>('SELECT kid FROM jwt_session_key');
    const forgeries = [
      { keys: keys.map(({ kid }) => kid) },
      { users: [{ id: 'grace', version: 1e15 }] },
      { sessions: [id], reason: 'theft:fork' },
    ];
    for (const forgery of forgeries) await forger.publish(channelOf(there), JSON.stringify(forgery));
    for (const nonsense of ['', '{', 'null', '[]', '{"echo":1}']) await forger.publish(channelOf(there), nonsense);
    await becomes(token, 'token_theft_detected');
    await feedOf(there).poll();
    expect(await me(there, token)).toBe('accepted');
    expect((await there.sessions.status()).keys.status).toBe('up');
  });

  it('a process that dies between commit and announcement: the poll of the others tells', async () => {
    const { id, token } = await logIn();
    const child = spawn(process.execPath, ['--import', TYPESCRIPT, DYING_PROCESS, id], {
      env: { ...process.env, DATABASE_URL: database.url, SESSION_SECRET: SECRET },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    expect(await me(there, token)).toBe('accepted');
    await feedOf(there).poll();
    expect(await me(there, token)).toBe('session_revoked');
  });

  it.each([
    { lost: 'the server is killed', lose: () => server.kill(), restore: () => server.run() },
    {
      lost: 'the server is silent',
      lose: async () => server.suspend(),
      restore: async () => server.resume(),
    },
  ])('$lost: polls tell, nobody is refused, and announcements arrive again', async ({ lose, restore }) => {
    const [live, ended] = [await logIn(), await logIn()];
    const since = here.events.length;
    await lose();
    await there.sessions.logOut(ended.id);
    // Two polls of `here`: one awaits an echo, the next misses it.
    await clock.advance('11s');
    await until(async () => (await me(here, ended.token)) === 'session_revoked');
    await clock.advance('11s');
    await until(async () => degraded(here, since));
    expect(await me(here, live.token)).toBe('accepted');
    expect(await here.sessions.status()).toMatchObject({ status: 'up', revocation: { listening: false } });
    await restore();
    await until(async () => {
      await clock.advance('11s');
      return (await here.sessions.status()).revocation.listening;
    });
    expect(here.events.findLast(({ type }) => type.startsWith('revocation.'))).toEqual({
      type: 'revocation.recovered',
    });
    const another = await there.sessions.logIn('ada');
    await there.sessions.logOut(another.session.id);
    await until(async () => (await me(here, another.accessToken!)) === 'session_revoked');
  });

  it('an application starts while the server is away, and hears when it is back', async () => {
    await server.kill();
    const late = await start('30s');
    try {
      const { session, accessToken } = await late.sessions.logIn('ada');
      expect(await me(late, accessToken!)).toBe('accepted');
      expect(await late.sessions.status()).toMatchObject({ status: 'up', revocation: { listening: false } });
      await server.run();
      await until(async () => {
        await clock.advance('11s');
        return (await late.sessions.status()).revocation.listening;
      });
      await late.sessions.logOut(session.id);
      expect(await me(late, accessToken!)).toBe('session_revoked');
    } finally {
      await late.close();
    }
  });
});
