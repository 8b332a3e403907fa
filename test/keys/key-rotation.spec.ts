import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { SessionTimers } from '../../lib/common/clock.js';
import { BearerClient } from '../support/bearer-client.js';
import { CookieClient } from '../support/client.js';
import { partsOf } from '../support/forged-token.js';
import { fetchJwks, ForeignVerifier } from '../support/jwks.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const TIMER = 'jwt-session-key-rotation';
const MINUTE = 60_000;

describe.each(PLATFORMS)('three periods of signing keys on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { keys: { rotateEvery: '1h', publishAhead: '20m' } } });
  });
  afterAll(() => test?.close());

  it('J07: F5: scenario 12: nobody is logged out, no request fails, and a caching verifier never misses a key', async () => {
    const browser = new CookieClient(test.url);
    const phone = new BearerClient(test.url);
    await browser.logIn('ada');
    await phone.logIn('grace');
    const foreign = new ForeignVerifier(test.url, () => test.clock.now());
    const seen = new Map<string, { shownAt: number; signedAt?: number; lastExpiry: number; goneAt?: number }>();

    const start = test.clock.now() + 5 * MINUTE;
    for (let step = 0; step < 56; step++) {
      await test.advance('4m');
      const now = test.clock.now();
      const shown = new Set((await fetchJwks(test.url)).keys.map(({ kid }) => kid));
      for (const kid of shown) if (!seen.has(kid)) seen.set(kid, { shownAt: now, lastExpiry: 0 });

      for (const client of [browser, phone]) {
        let answer = await client.send('/me');
        if (answer.status !== 200) {
          expect(answer.body.errorCode).toBe('access_token_expired');
          expect((await client.refresh()).status).toBe(200);
          answer = await client.send('/me');
        }
        expect(answer.status).toBe(200);
        await test.confirmUses();
        const { header, payload } = partsOf(client.accessToken);
        const key = seen.get(header.kid as string)!;
        key.signedAt ??= now;
        key.lastExpiry = Math.max(key.lastExpiry, (payload.exp as number) * 1_000);
        await foreign.verify(client.accessToken);
      }
      for (const [kid, key] of seen) if (!shown.has(kid)) key.goneAt ??= now;
    }

    const [first, ...later] = [...seen.values()].filter(({ signedAt }) => signedAt !== undefined);
    expect(later.length).toBeGreaterThanOrEqual(3);
    // Looked at every four minutes. What was there at the first look may have been made late in a period.
    const announced = later.filter(({ shownAt }) => shownAt > start);
    expect(announced.length).toBeGreaterThanOrEqual(2);
    for (const key of announced) expect(key.signedAt! - key.shownAt).toBeGreaterThanOrEqual(12 * MINUTE);
    for (const key of [first!, ...later]) {
      if (key.goneAt !== undefined) expect(key.goneAt).toBeGreaterThanOrEqual(key.lastExpiry);
    }
    expect(first!.goneAt).toBeDefined();
    expect(test.events.filter(({ type }) => type === 'keys.rotated').length).toBeGreaterThanOrEqual(3);
  });
});

/** Timers that a test lets go off, and that remember what was set and cleared. */
class ManualTimers extends SessionTimers {
  readonly running = new Map<NodeJS.Timeout, () => void>();

  override every(milliseconds: number, task: () => void): NodeJS.Timeout {
    const timer = super.every(milliseconds, () => {});
    this.running.set(timer, task);
    return timer;
  }

  override clear(timer: NodeJS.Timeout | undefined): void {
    super.clear(timer);
    if (timer) this.running.delete(timer);
  }

  goOff(): void {
    this.running.forEach(task => task());
  }
}

describe('the timer of the key rotation', () => {
  let test: TestApp | undefined;
  afterEach(() => test?.close());

  const start = async (options: Parameters<typeof startTestApp>[0] = {}) => (test = await startTestApp(options));

  it('F5: makes the next key when it is due, and not before', async () => {
    const timers = new ManualTimers();
    const { clock, events, sessions } = await start({
      session: { keys: { rotateEvery: '2h', publishAhead: '1h' } },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
    const rotated = () => events.filter(({ type }) => type === 'keys.rotated').length;
    const { signing } = (await sessions.status()).keys;
    await clock.advance('2h');
    const next = new Promise<void>(resolve => {
      sessions.events.subscribe(({ type }) => type === 'keys.rotated' && resolve());
    });
    expect(rotated()).toBe(0);
    timers.goOff();
    await next;
    expect((await sessions.status()).keys.signing).not.toBe(signing);
  });

  it('F5: is listed in the SchedulerRegistry of an application that has one, and leaves it at the end', async () => {
    const timers = new ManualTimers();
    const { app } = await start({
      imports: [ScheduleModule.forRoot()],
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
    const registry = app.get(SchedulerRegistry, { strict: false });
    expect(registry.getIntervals()).toContain(TIMER);
    const timer = registry.getInterval(TIMER) as NodeJS.Timeout;
    expect(timers.running.has(timer)).toBe(true);
    // It must not be what keeps a process from ending.
    expect(timer.hasRef()).toBe(false);
    await app.close();
    expect(registry.getIntervals()).not.toContain(TIMER);
    expect(timers.running.size).toBe(0);
  });

  it('F5: runs without @nestjs/schedule too, keeps no process alive and is cleared at the end', async () => {
    const timers = new ManualTimers();
    const { app } = await start({
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
    expect(() => app.get(SchedulerRegistry, { strict: false })).toThrow('SchedulerRegistry');
    expect(timers.running.size).toBeGreaterThan(0);
    for (const timer of timers.running.keys()) expect(timer.hasRef()).toBe(false);
    await app.close();
    expect(timers.running.size).toBe(0);
  });
});
