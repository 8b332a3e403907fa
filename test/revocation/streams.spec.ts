import { Controller, type MessageEvent, Sse, UseGuards } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { map, type Observable } from 'rxjs';
import { CurrentSession, SessionGuard, SessionService, UserSession } from 'nestjs-jwt-session';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
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
