import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { SessionEvent } from 'nestjs-jwt-session';
import { SessionTimers } from '../../lib/common/clock.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { feedOf, listeners, me, ShortTimers, untilListening } from '../support/revocation.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

// `here` revokes; `there` has to do with a database that leaves it in the lurch.
describe('revocations while something is wrong', () => {
  const timers = new ShortTimers();
  let database: TestDatabase;
  let clock: SharedClock;
  let proxy: TcpProxy;
  let here: TestApp;
  let there: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    proxy = await TcpProxy.to(database.url);
    here = await startTestApp({ database, clock });
    there = await startTestApp({
      database,
      clock,
      typeorm: { url: proxy.url, applicationName: 'there' },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
    await untilListening(there);
  });
  afterEach(() => restore());
  afterAll(async () => {
    await Promise.all([here?.close(), there?.close()]);
    await proxy?.close();
    await database?.drop();
  });

  async function stall(): Promise<void> {
    timers.limit = 300;
    proxy.stall();
  }

  async function restore(): Promise<void> {
    await proxy.restore();
    timers.limit = Infinity;
  }

  async function logIn() {
    const { session, accessToken } = await here.sessions.logIn('ada');
    expect(await me(there, accessToken!)).toBe('accepted');
    return { id: session.id, token: accessToken! };
  }

  /** The events of the feed since then. */
  function told(since: number): SessionEvent[] {
    return there.events.slice(since).filter(({ type }) => type.startsWith('revocation.'));
  }

  it.each([
    {
      lost: 'the listening backend is killed',
      lose: async () => {
        const pids = await listeners(database, 'there');
        expect(pids).toHaveLength(1);
        await database.query('SELECT pg_terminate_backend($1)', [pids[0]]);
      },
    },
    { lost: 'the listening connection is half open', lose: async () => proxy.stallListening() },
  ])('$lost: polls tell, at once or within maxStaleness, and notifications arrive again', async ({ lose }) => {
    const [live, ended] = [await logIn(), await logIn()];
    const since = there.events.length;
    await lose();
    await here.sessions.logOut(ended.id);
    // Time for two polls: one awaits an echo, the next misses it.
    await clock.advance('11s');
    await until(async () => (await me(there, ended.token)) === 'session_revoked');
    await clock.advance('11s');
    await until(async () => told(since).length > 0);
    expect(told(since)[0]).toEqual({ type: 'revocation.degraded', cause: 'listen' });
    expect(await me(there, live.token)).toBe('accepted');
    // It does not need notifications to know what it must.
    expect(await there.sessions.status()).toMatchObject({ status: 'up' });

    await proxy.restore();
    await clock.advance('11s');
    await until(async () => (await there.sessions.status()).revocation.listening);
    expect(told(since).at(-1)).toEqual({ type: 'revocation.recovered' });
    const another = await logIn();
    await here.sessions.logOut(another.id);
    await until(async () => (await me(there, another.token)) === 'session_revoked');
  });

  it('while the listening connection is half open, polls go on', async () => {
    proxy.stallListening();
    for (let round = 0; round < 4; round++) {
      const { id, token } = await logIn();
      await here.sessions.logOut(id);
      await clock.advance('11s');
      await until(async () => (await me(there, token)) === 'session_revoked');
      // By the poll, not one by one.
      await until(async () => (await there.sessions.status()).revocation.staleness < 5_000);
    }
  });

  it.each([
    { gone: 'the database is gone', leave: () => proxy.refuse() },
    { gone: 'the network swallows everything', leave: stall },
  ])('$gone: nobody is refused within maxStaleness, then 503, then all is as it was', async ({ leave }) => {
    const [live, ended] = [await logIn(), await logIn()];
    const since = there.events.length;
    await leave();
    await here.sessions.logOut(ended.id);
    clock.advanceProcess('20s');
    await until(async () => told(since).some(event => 'cause' in event && event.cause === 'poll'));
    for (let request = 0; request < 20; request++) expect(await me(there, live.token)).toBe('accepted');
    expect(feedOf(there).status).toMatchObject({ status: 'up' });

    clock.advanceProcess('11s');
    expect(await me(there, live.token)).toBe('session_store_unavailable');
    expect(await me(there, ended.token)).toBe('session_store_unavailable');
    expect(feedOf(there).status).toMatchObject({ status: 'down' });
    expect(await me(here, live.token)).toBe('accepted');

    await restore();
    expect(await me(there, ended.token)).toBe('session_revoked');
    expect(await me(there, live.token)).toBe('accepted');
    // It tries to listen again three times within maxStaleness.
    await clock.advance('11s');
    await until(async () => told(since).at(-1)!.type === 'revocation.recovered');
    await untilListening(there);
    expect(await there.sessions.status()).toMatchObject({ status: 'up' });
  });

  it('polls fail and the database answers, as where a part of a distributed one is gone: it stays ready, and asks about each session', async () => {
    const [live, ended] = [await logIn(), await logIn()];
    const since = there.events.length;
    // Nothing but the poll reads this column here.
    await database.query('ALTER TABLE jwt_session RENAME claims_changed_at TO is_away');
    try {
      await here.sessions.logOut(ended.id);
      await clock.advance('31s');
      await until(async () => told(since).some(event => 'cause' in event && event.cause === 'poll'));
      expect(await me(there, live.token)).toBe('accepted');
      expect(await me(there, ended.token)).toBe('session_revoked');
      expect(await there.sessions.status()).toMatchObject({ status: 'up', revocation: { status: 'down' } });
    } finally {
      await database.query('ALTER TABLE jwt_session RENAME is_away TO claims_changed_at');
    }
    await until(async () => told(since).at(-1)?.type === 'revocation.recovered');
    expect(await there.sessions.status()).toMatchObject({ status: 'up', revocation: { status: 'up' } });
  });

  it('a process that cannot say goodbye to its listening connection shuts down all the same', async () => {
    const leaving = await startTestApp({
      database,
      clock,
      typeorm: { url: proxy.url },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
    timers.limit = 300;
    proxy.stallListening();
    await leaving.close();
  });
});
