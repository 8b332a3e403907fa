import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import type { SessionModuleOptions } from '../../lib/index.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import { SessionEvents } from '../../lib/session.events.js';
import { StoreLoad } from '../../lib/store/store-load.js';
import { type AppBehindProxy, startBehindProxy } from '../support/app-behind-proxy.js';
import { type Answer, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { FixedClock } from '../support/fixed-clock.js';
import { ShortTimers } from '../support/revocation.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const CALLERS = 300;

describe.each(PLATFORMS)('a database that answers nothing, and hundreds of callers, on %s', platform => {
  const timers = new ShortTimers();
  let started: AppBehindProxy;
  let proxy: TcpProxy;
  let test: TestApp;
  beforeAll(async () => {
    started = await startBehindProxy({
      platform,
      session: { overload: { maxWait: '100ms' } },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
    ({ proxy, test } = started);
  });
  afterEach(async () => {
    timers.limit = Infinity;
    await proxy.restore();
  });
  afterAll(() => started?.close());

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

class StoppedTimers extends SessionTimers {
  readonly tasks = new Map<number, () => void>();
  override after(milliseconds: number, task: () => void): NodeJS.Timeout {
    this.tasks.set(milliseconds, task);
    return super.after(2 ** 30, task);
  }
  run(milliseconds: number): void {
    const task = this.tasks.get(milliseconds)!;
    this.tasks.delete(milliseconds);
    task();
  }
}

class StoppedClock extends FixedClock {
  override monotonic(): number {
    return this.time;
  }
}

/** Work that takes until a test ends it. */
class StartedLoad {
  readonly clock = new StoppedClock(0);
  readonly timers = new StoppedTimers();
  readonly events: object[] = [];
  readonly outcomes: string[] = [];
  readonly ends: (() => void)[] = [];
  readonly load: StoreLoad;

  constructor(options: SessionModuleOptions = {}) {
    const events = new SessionEvents();
    events.observable.subscribe(event => this.events.push(event));
    this.load = new StoreLoad(resolveOptions(options, {}), this.clock, this.timers, events);
  }

  /** @returns once those that are let in at once have begun */
  async ask(count: number, isNext?: boolean): Promise<void> {
    for (let request = 0; request < count; request++) {
      this.load
        .run(() => new Promise<void>(end => this.ends.push(end)), isNext)
        .then(
          () => this.outcomes.push('done'),
          (error: Error) => this.outcomes.push(error.message),
        );
    }
    await new Promise(setImmediate);
  }

  async endAll(): Promise<void> {
    while (this.ends.length > 0) {
      for (const end of this.ends.splice(0)) end();
      await new Promise(setImmediate);
    }
  }
}

const REFUSED = expect.stringMatching(/repeating is safe/);

describe('the load of the database', () => {
  it('the event that an overload is over comes when nothing was refused for a while, with how many were', async () => {
    const test = new StartedLoad();
    await test.ask(40);
    test.clock.time = 2_001;
    await test.ask(3);
    expect(test.outcomes).toEqual([REFUSED, REFUSED, REFUSED]);
    expect(test.events).toEqual([{ type: 'store.overloaded', waiting: 40 }]);
    test.timers.run(5_000);
    expect(test.events).toHaveLength(1);
    test.timers.run(5_000);
    expect(test.events.at(-1)).toEqual({ type: 'store.recovered', refused: 3 });
    await test.endAll();
    expect(test.load.status).toEqual({ waiting: 0, refused: 3 });
  });

  it('so many are at work, and who waits for a turn until the wait is too long is refused without having begun', async () => {
    const test = new StartedLoad();
    await test.ask(300);
    expect(test.ends).toHaveLength(256);
    test.clock.time = 500;
    await test.ask(10);
    test.clock.time = 2_000;
    test.timers.run(2_000);
    await test.ask(0);
    expect(test.outcomes).toEqual(Array(44).fill(REFUSED));
    expect(test.load.status).toEqual({ waiting: 266, refused: 44 });
    test.clock.time = 2_500;
    test.timers.run(500);
    await test.ask(0);
    expect(test.outcomes).toEqual(Array(54).fill(REFUSED));
    await test.endAll();
    expect(test.outcomes.filter(outcome => outcome === 'done')).toHaveLength(256);
    expect(test.load.status).toEqual({ waiting: 0, refused: 54 });
  });

  it('what others may wait for does not wait, and overload.maxWait: none lets all work', async () => {
    const test = new StartedLoad();
    await test.ask(300);
    await test.ask(1, true);
    expect(test.ends).toHaveLength(257);
    await test.endAll();
    const unbounded = new StartedLoad({ overload: { maxWait: 'none' } });
    await unbounded.ask(1_000);
    expect(unbounded.ends).toHaveLength(1_000);
    await unbounded.endAll();
  });
});

describe('hundreds of log-ins beside other statements', () => {
  let database: TestDatabase;
  let test: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    test = await startTestApp({ database, typeorm: { poolSize: 2 } });
  });
  afterAll(async () => {
    await test?.close();
    await database?.drop();
  });

  it("log-outs and the application's own statements do not wait for all of them", async () => {
    const { session } = await test.sessions.logIn('ada');
    let answered = 0;
    const logins = Array.from({ length: 1_000 }, () => test.sessions.logIn('bob').then(() => answered++));
    await new Promise(setImmediate);
    const others = [test.sessions.logOut(session.id), test.app.get(DataSource).query<unknown>('SELECT 1')];
    for (const before of await Promise.all(others.map(each => each.then(() => answered)))) {
      expect(before).toBeLessThan(600);
    }
    await Promise.all(logins);
  });

  it('a refresh that waits for its turn for too long changes nothing and accuses nobody', async () => {
    const { session, refreshToken: first } = await test.sessions.logIn('ada');
    let refreshToken = first!;
    for (let round = 0; round < 3; round++) {
      refreshToken = (await test.sessions.refresh({ refreshToken })).refreshToken!;
      await test.clock.advance('31s');
    }
    let open = () => {};
    const gate = new Promise<void>(resolve => (open = resolve));
    const working = Array.from({ length: 256 }, () => test.app.get(StoreLoad).run(() => gate));
    const late = test.sessions.refresh({ refreshToken: first! });
    await test.clock.advance('11s');
    open();
    await expect(late).rejects.toMatchObject({ errorCode: 'session_store_unavailable' });
    await Promise.all(working);
    expect(await test.sessions.get(session.id)).not.toBeNull();
  });
});
