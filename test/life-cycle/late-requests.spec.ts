import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, HttpCode, Post } from '@nestjs/common';
import { Exchange, type IssuedTokens, SessionExchange, SessionService } from 'nestjs-jwt-session';
import { SessionTimers } from '../../lib/common/clock.js';
import { PauseDetector } from '../../lib/sessions/pause-detector.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/** Timers that a test fires. */
class StoppedTimers extends SessionTimers {
  task = () => {};

  override every(_: number, task: () => void): NodeJS.Timeout {
    this.task = task;
    return setTimeout(() => undefined).unref();
  }
}

/** A process that runs, or does not run, as a test says. */
class SimulatedProcess extends PauseDetector {
  private readonly simulated: StoppedTimers;
  private passed = 0;

  constructor() {
    const timers = new StoppedTimers();
    super(timers);
    this.simulated = timers;
  }

  protected override moment() {
    return { monotonic: this.passed, wall: this.passed };
  }

  live(milliseconds: number): void {
    for (let left = milliseconds; left > 0; left -= 1_000) {
      this.passed += Math.min(left, 1_000);
      this.simulated.task();
    }
  }

  suspend(milliseconds: number): void {
    this.passed += milliseconds;
  }
}

describe('a process that was suspended', () => {
  let suspended: SimulatedProcess;
  beforeEach(() => {
    suspended = new SimulatedProcess();
    suspended.onApplicationBootstrap();
    suspended.live(5_000);
  });

  it('takes what it reads then for late, also before its timers run, and for a second', () => {
    expect(suspended.mayHaveWaited(15_000)).toBe(false);
    suspended.suspend(43_000);
    expect(suspended.mayHaveWaited(15_000)).toBe(true);
    suspended.live(500);
    expect(suspended.mayHaveWaited(15_000)).toBe(true);
    suspended.live(500);
    expect(suspended.mayHaveWaited(15_000)).toBe(false);
  });

  it('ignores shorter pauses', () => {
    suspended.suspend(10_000);
    expect(suspended.mayHaveWaited(15_000)).toBe(false);
    expect(suspended.mayHaveWaited(5_000)).toBe(true);
  });

  it('counts the time since its timer ran last, because the pause may have begun just after', () => {
    suspended.suspend(15_500);
    expect(suspended.mayHaveWaited(15_000)).toBe(true);
  });

  it('adds up pauses between which it has hardly run', () => {
    suspended.suspend(10_000);
    suspended.live(100);
    suspended.suspend(10_000);
    expect(suspended.mayHaveWaited(15_000)).toBe(true);
  });
});

/** Refreshes when a test says so. */
@Controller()
class SlowController {
  static arrived = () => {};
  static go: Promise<void> = Promise.resolve();
  static outcome: Promise<unknown> = Promise.resolve();

  constructor(private readonly sessions: SessionService) {}

  @Post('slow-refresh')
  @HttpCode(200)
  async refresh(@Exchange() exchange: SessionExchange) {
    SlowController.arrived();
    await SlowController.go;
    SlowController.outcome = this.sessions.refresh(exchange).then(
      () => 'refreshed',
      (error: { errorCode: string }) => error.errorCode,
    );
    await SlowController.outcome;
    return {};
  }
}

describe.each(PLATFORMS)('a late refresh on %s', platform => {
  let test: TestApp;
  let simulated: SimulatedProcess;
  beforeAll(async () => {
    simulated = new SimulatedProcess();
    test = await startTestApp({
      platform,
      controllers: [SlowController],
      override: builder => void builder.overrideProvider(PauseDetector).useValue(simulated),
    });
  });
  afterEach(() => simulated.live(5_000));
  afterAll(() => test?.close());

  /** A session whose first refresh token would be a theft now. */
  async function goOn(): Promise<{ first: string; last: IssuedTokens }> {
    const login = await test.sessions.logIn('ada');
    let last = login;
    for (let round = 0; round < 3; round++) {
      last = await test.sessions.refresh({ refreshToken: last.refreshToken! });
      await test.clock.advance('31s');
    }
    test.events.length = 0;
    return { first: login.refreshToken!, last };
  }

  const expectNoTheft = async ({ session, refreshToken }: IssuedTokens) => {
    expect(test.events.filter(({ type }) => type !== 'session.refused')).toEqual([]);
    expect(await test.sessions.get(session.id)).not.toBeNull();
    await test.sessions.refresh({ refreshToken: refreshToken! });
  };

  const send = (path: string, refreshToken: string, signal?: AbortSignal) =>
    fetch(`${test.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refreshToken }),
      signal,
    });

  it('that was read after a suspension accuses nobody, and says that repeating is safe', async () => {
    const { first, last } = await goOn();
    simulated.suspend(43_000);
    const answer = await send('/session/refresh', first);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ errorCode: 'session_store_unavailable' });
    simulated.live(1_000);
    await expectNoTheft(last);
  });

  it('whose client is gone accuses nobody and changes nothing', async () => {
    const { first, last } = await goOn();
    let open = () => {};
    SlowController.go = new Promise<void>(resolve => (open = resolve));
    const arrived = new Promise<void>(resolve => (SlowController.arrived = resolve));
    const client = new AbortController();
    const sent = send('/slow-refresh', first, client.signal).catch((error: Error) => error.name);
    await arrived;
    client.abort();
    expect(await sent).toBe('AbortError');
    await connectionsClosed(test);
    open();
    // The handler goes on in one of the next turns.
    await new Promise(resolve => setImmediate(resolve));
    expect(await SlowController.outcome).toBe('session_store_unavailable');
    await expectNoTheft(last);
  });

  it('that came in time is told of the theft', async () => {
    const { first } = await goOn();
    expect(await (await send('/session/refresh', first)).json()).toMatchObject({ errorCode: 'token_theft_detected' });
  });
});

/** Returns once the server has no connection left. */
async function connectionsClosed({ app }: TestApp): Promise<void> {
  const server = app.getHttpServer() as {
    getConnections(callback: (error: Error | null, count: number) => void): void;
  };
  const count = () => new Promise<number>(resolve => server.getConnections((_, open) => resolve(open)));
  while ((await count()) > 0) await new Promise(resolve => setTimeout(resolve, 5));
}
