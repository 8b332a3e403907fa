import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSessionFetch, type SessionEnd, type SessionFetch } from 'nestjs-jwt-session/client';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { ManualTimers } from '../support/tabs.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { RecordingFetch } from '../support/recording-fetch.js';

const REFRESH = 'POST /session/refresh';

describe.each(PLATFORMS)('a refresh that fails on %s', platform => {
  let test: TestApp;
  let recording: RecordingFetch;
  let page: SessionFetch;
  let timers: ManualTimers;
  const ends: SessionEnd[] = [];
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  beforeEach(async () => {
    const browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
    await test.advance('11m');
    recording = new RecordingFetch(browser);
    timers = new ManualTimers();
    ends.length = 0;
    page = createSessionFetch({
      baseUrl: test.url,
      fetch: recording.fetch,
      environment: { after: timers.after },
      onSessionEnd: end => ends.push(end),
    });
  });
  afterEach(() => page.close());

  /** The outcomes of refreshes. */
  function refreshes(answer: (request: Request) => Promise<Response>): void {
    recording.between = (request, forward) => (request.url.endsWith('/refresh') ? answer(request) : forward(request));
  }

  /** No session has ended, and the next request finds a network that works. */
  async function expectToLiveOn(): Promise<void> {
    recording.between = undefined;
    expect((await page('/me')).status).toBe(200);
    expect(ends).toEqual([]);
    expect(timers.size).toBe(0);
  }

  it('for want of a network rejects what asked for it, as any fetch, and ends no session', async () => {
    const error = new TypeError('fetch failed');
    refreshes(() => Promise.reject(error));
    const answers = await Promise.allSettled([page('/me'), page('/me')]);
    expect(answers).toEqual([error, error].map(reason => ({ status: 'rejected', reason })));
    await expectToLiveOn();
  });

  it.each([
    [503, { errorCode: 'session_store_unavailable' }],
    [403, { errorCode: 'csrf_rejected' }],
    [401, { errorCode: 'something_else' }],
    [500, {}],
  ])('with %i passes the 401 on, and ends no session', async (status, body) => {
    refreshes(async () => Response.json(body, { status }));
    const response = await page('/me');
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ errorCode: 'access_token_expired' });
    expect(recording.take()).toEqual(['GET /me', REFRESH]);
    await expectToLiveOn();
  });

  it('because it hangs is aborted after ten seconds, and not queued', async () => {
    let signal: AbortSignal | undefined;
    refreshes(
      request =>
        new Promise((_, reject) => {
          signal = request.signal;
          signal.addEventListener('abort', () => reject(signal!.reason));
        }),
    );
    const answer = page('/me').catch((error: Error) => error.name);
    await until(() => signal !== undefined);
    timers.advance(9_999);
    expect(signal!.aborted).toBe(false);
    timers.advance(1);
    expect(signal!.aborted).toBe(true);
    expect(await answer).toBe('TimeoutError');
    expect(recording.take()).toEqual(['GET /me', REFRESH]);
    await expectToLiveOn();
    expect(recording.sent).toEqual(['GET /me', REFRESH, 'GET /me']);
  });

  it('because its answer never comes to an end is aborted as well', async () => {
    let isAnswered = false;
    refreshes(async () => {
      isAnswered = true;
      return new Response(new ReadableStream(), { headers: { 'content-type': 'application/json' } });
    });
    const answer = page('/me').catch((error: Error) => error.name);
    await until(() => isAnswered);
    timers.advance(10_000);
    expect(await answer).toBe('TimeoutError');
    await expectToLiveOn();
  });

  it('on a real server without a listener rejects', async () => {
    refreshes(request => fetch('http://127.0.0.1:1/', { signal: request.signal }));
    await expect(page('/me')).rejects.toThrow('fetch failed');
    await expectToLiveOn();
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve));
}
