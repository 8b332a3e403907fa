import { Controller, type MessageEvent, Sse, UseGuards } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { map, type Observable } from 'rxjs';
import { CurrentSession, SessionGuard, SessionService, UserSession } from 'nestjs-jwt-session';
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SessionTimers } from '../../lib/common/clock.js';
import { SessionEvents } from '../../lib/session.events.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Controller()
class StreamController {
  constructor(private readonly sessions: SessionService) {}

  /** Says nothing but why it ends. */
  @Sse('stream')
  @UseGuards(SessionGuard)
  stream(@CurrentSession() session: UserSession): Observable<MessageEvent> {
    return this.sessions.endOf(session).pipe(map(({ errorCode }) => ({ data: errorCode })));
  }
}

/** Counts the intervals that run. */
class CountingTimers extends SessionTimers {
  private readonly intervals = new Set<NodeJS.Timeout>();

  get running(): number {
    return this.intervals.size;
  }

  override every(milliseconds: number, task: () => void): NodeJS.Timeout {
    const timer = super.every(milliseconds, task);
    this.intervals.add(timer);
    return timer;
  }

  override clear(timer: NodeJS.Timeout | undefined): void {
    super.clear(timer);
    if (timer) this.intervals.delete(timer);
  }
}

/** An open event stream. */
class Stream {
  /** Why the server has ended it. */
  readonly end: Promise<string | undefined>;
  isOpen = true;

  private constructor(
    private readonly abort: AbortController,
    response: Response,
  ) {
    this.end = response.text().then(text => {
      this.isOpen = false;
      return /data: (.*)/.exec(text)?.[1];
    });
    // One that a test leaves open is cut at its end.
    this.end.catch(() => undefined);
  }

  static async open({ url }: TestApp, accessToken: string): Promise<Stream> {
    const abort = new AbortController();
    const headers = { authorization: `Bearer ${accessToken}` };
    return new Stream(abort, await fetch(`${url}/stream`, { headers, signal: abort.signal }));
  }

  close(): void {
    this.abort.abort();
  }
}

describe.each(PLATFORMS)('an event stream, on %s', platform => {
  let apps: TestApps;
  let here: TestApp;
  let there: TestApp;
  let proxy: TcpProxy;
  const streams: Stream[] = [];
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    const options = { controllers: [StreamController], session: { revocation: { maxStaleness: '1s' } } };
    here = await apps.start(options);
    there = await apps.start(options);
    proxy = await TcpProxy.to(here.database.url);
  });
  afterEach(() => streams.splice(0).forEach(stream => stream.close()));
  afterAll(async () => {
    await apps?.close();
    await proxy?.close();
  });

  async function open(userId: string, app = there) {
    const tokens = await here.sessions.logIn(userId);
    const stream = await Stream.open(app, tokens.accessToken!);
    streams.push(stream);
    return { ...tokens, stream };
  }

  const bystander = () => open('bystander');

  /** Moves the clocks, and lets both processes make and read keys meanwhile. */
  async function advance(duration: string): Promise<void> {
    await here.advance(duration);
    await there.advance('1s');
  }

  it('S14: ends when its session is ended in another process', async () => {
    const { session, stream } = await open('ada');
    const other = await bystander();
    await here.sessions.logOut(session.id);
    expect(await stream.end).toBe('session_revoked');
    expect(other.stream.isOpen).toBe(true);
  });

  it('ends with the theft of its session, and says so', async () => {
    const { refreshToken, stream } = await open('ada');
    for (let round = 0, token = refreshToken!; round < 3; round++) {
      token = (await here.sessions.refresh({ refreshToken: token })).refreshToken!;
      await apps.clock.advance('31s');
    }
    await expect(here.sessions.refresh({ refreshToken: refreshToken! })).rejects.toThrow('two parties');
    expect(await stream.end).toBe('token_theft_detected');
  });

  it("F28, S14: ends when the user's access tokens are invalidated", async () => {
    const { stream } = await open('grace');
    const other = await bystander();
    await here.sessions.invalidateTokens('grace', 'access');
    expect(await stream.end).toBe('access_token_invalid');
    expect(other.stream.isOpen).toBe(true);
  });

  it('ends when the claims of its session change', async () => {
    const { session, stream } = await open('ada');
    await here.sessions.setClaims(session.id, { role: 'guest' });
    expect(await stream.end).toBe('access_token_expired');
  });

  it('ends when the key of its token is distrusted, not when that retires', async () => {
    const retired = await open('ada');
    await here.sessions.rotateKeys();
    await advance('8d');
    const { stream } = await open('ada');
    await here.sessions.rotateKeys({ distrust: true });
    expect(await stream.end).toBe('access_token_invalid');
    expect(retired.stream.isOpen).toBe(true);
  });

  it('outlives its access token, and a session that is refreshed; ends with the session', async () => {
    const { refreshToken, stream } = await open('ada');
    await advance('29d');
    await here.sessions.refresh({ refreshToken: refreshToken! });
    await advance('2d');
    // Longer than it takes to look.
    const other = await open('grace');
    await here.sessions.setClaims(other.session.id, {});
    await other.stream.end;
    expect(stream.isOpen).toBe(true);
    await advance('29d');
    expect(await stream.end).toBe('session_expired');
  });

  it('ends when its process shuts down, and does not keep it from that', async () => {
    const closing = await apps.start({ controllers: [StreamController] });
    const { stream } = await open('ada', closing);
    await closing.app.close();
    expect(await stream.end).toBe('session_store_unavailable');
  });

  it('ends when its process can no longer know', async () => {
    const cut = await apps.start({
      controllers: [StreamController],
      session: { revocation: { maxStaleness: '1s' } },
      typeorm: { url: proxy.url },
    });
    const { stream } = await open('ada', cut);
    await proxy.refuse();
    expect(await stream.end).toBe('session_store_unavailable');
    await proxy.restore();
  });
});

describe.each(PLATFORMS)('an event stream whose session cannot be checked, on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    const session = { revocation: { mode: 'strict', maxStaleness: '1s' } } as const;
    test = await startTestApp({ platform, controllers: [StreamController], session });
  });
  afterAll(() => test?.close());

  it('ends, and does not show what the database says', async () => {
    const { accessToken } = await test.sessions.logIn('ada');
    const stream = await Stream.open(test, accessToken!);
    await test.database.query('ALTER TABLE jwt_session RENAME TO hidden');
    expect(await stream.end).toBe('session_store_unavailable');
  });
});

describe('5,000 open streams', () => {
  const STREAMS = 5_000;
  let test: TestApp;
  let timers: CountingTimers;
  beforeAll(async () => {
    timers = new CountingTimers();
    test = await startTestApp({ override: builder => void builder.overrideProvider(SessionTimers).useValue(timers) });
  });
  afterAll(() => test?.close());

  const newSession = () =>
    new UserSession({
      id: randomUUID(),
      userId: 'ada',
      claims: {},
      authenticatedAt: new Date(),
      expiresAt: new Date(test.clock.now() + 86_400_000),
    });

  /** How many subscribers the events have. */
  const subscribers = () => {
    const { subject } = test.app.get(SessionEvents) as unknown as { subject: { observers: unknown[] } };
    return subject.observers.length;
  };

  it('share one timer and one subscription, and are told of their own session only', async () => {
    const ended: string[] = [];
    const before = { timers: timers.running, subscribers: subscribers() };
    const { session } = await test.sessions.logIn('ada');
    const open = Array.from({ length: STREAMS - 2 }, newSession)
      .concat(session, session)
      .map(each => test.sessions.endOf(each).subscribe(() => ended.push(each.id)));
    expect({ timers: timers.running, subscribers: subscribers() }).toEqual({ ...before, timers: before.timers + 1 });
    await test.sessions.logOut(session.id);
    expect(ended).toEqual([session.id, session.id]);
    open.forEach(stream => stream.unsubscribe());
    expect({ timers: timers.running, subscribers: subscribers() }).toEqual(before);
  });

  it('take less than 2 kB each', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const sessions = Array.from({ length: STREAMS }, newSession);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    const open = sessions.map(session => test.sessions.endOf(session).subscribe());
    await new Promise(resolve => setTimeout(resolve, 50));
    collectGarbage();
    const perStream = (process.memoryUsage().heapUsed - before) / STREAMS;
    open.forEach(stream => stream.unsubscribe());
    expect(perStream).toBeLessThan(2_000);
  });
});
