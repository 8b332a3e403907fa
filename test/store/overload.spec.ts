import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionTimers } from '../../lib/common/clock.js';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import { SessionEvents } from '../../lib/session.events.js';
import { StoreLoad } from '../../lib/store/store-load.js';
import { type Answer, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { FixedClock } from '../support/fixed-clock.js';
import { ShortTimers } from '../support/revocation.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const CALLERS = 300;

describe.each(PLATFORMS)('a database that answers nothing, and hundreds of callers, on %s', platform => {
  const timers = new ShortTimers();
  let database: TestDatabase;
  let proxy: TcpProxy;
  let test: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    proxy = await TcpProxy.to(database.url);
    test = await startTestApp({
      platform,
      database,
      typeorm: { url: proxy.url },
      session: { overload: { maxWait: '100ms' } },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
  });
  afterEach(async () => {
    timers.limit = Infinity;
    await proxy.restore();
  });
  afterAll(async () => {
    await test?.close();
    await proxy?.close();
    await database?.drop();
  });

  it('most are refused at once with Retry-After, guarded requests are answered, and all is well again', async () => {
    const { accessToken, refreshToken } = await test.sessions.logIn('ada');
    const refresh = () => send(`${test.url}/session/refresh`, { method: 'POST', body: { refreshToken } });
    test.events.length = 0;
    timers.limit = 5_000;
    proxy.stall();
    const answers: Promise<Answer>[] = [];
    const early: Answer[] = [];
    const ask = () => answers.push(refresh().then(answer => (early.push(answer), answer)));
    for (let caller = 0; caller < CALLERS / 2; caller++) ask();
    // By now nothing has come out for longer than the wait that is allowed.
    await new Promise(resolve => setTimeout(resolve, 300));
    for (let caller = 0; caller < CALLERS / 2; caller++) ask();
    while (early.length < CALLERS / 2) await new Promise(resolve => setTimeout(resolve, 20));
    expect(test.events.filter(({ type }) => type === 'store.overloaded')).toHaveLength(1);
    for (const answer of early) {
      expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    const me = await send(`${test.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
    expect(me.status).toBe(200);
    const { load } = await test.sessions.status();
    expect(load.refused).toBeGreaterThanOrEqual(CALLERS / 2);
    // Those that waited are given up after the time of a statement, and nobody waits then.
    for (const { status } of await Promise.all(answers)) expect(status).toBe(503);
    timers.limit = Infinity;
    await proxy.restore();
    expect((await refresh()).status).toBe(200);
    expect((await test.sessions.status()).load.waiting).toBe(0);
  });
});

describe('the event that an overload is over', () => {
  it('comes when nothing was refused for a while, with how many were', () => {
    const tasks: (() => void)[] = [];
    class StoppedTimers extends SessionTimers {
      override after(milliseconds: number, task: () => void): NodeJS.Timeout {
        if (milliseconds === 5_000) tasks.push(task);
        return super.after(milliseconds, task);
      }
    }
    class StoppedClock extends FixedClock {
      override monotonic(): number {
        return this.time;
      }
    }
    const events = new SessionEvents();
    const told: object[] = [];
    events.observable.subscribe(event => told.push(event));
    const clock = new StoppedClock(0);
    const load = new StoreLoad(resolveOptions({}, {}), clock, new StoppedTimers(), events);
    const works = Array.from({ length: 40 }, () => load.begin());
    clock.time = 2_001;
    for (let request = 0; request < 3; request++) expect(() => load.begin()).toThrow(/repeating is safe/);
    expect(told).toEqual([{ type: 'store.overloaded', waiting: 40 }]);
    tasks.pop()!();
    expect(told).toHaveLength(1);
    tasks.pop()!();
    expect(told.at(-1)).toEqual({ type: 'store.recovered', refused: 3 });
    for (const work of works) load.end(work);
    expect(load.status).toEqual({ waiting: 0, refused: 3 });
  });
});
