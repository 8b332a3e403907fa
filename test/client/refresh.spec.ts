import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import { SessionGuard } from 'nestjs-jwt-session';
import { createSessionFetch, type SessionFetch } from 'nestjs-jwt-session/client';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { RecordingFetch } from '../support/recording-fetch.js';

const REFRESH = 'POST /session/refresh';
const TEXT = '{"text":"hello"}';
const JSON_TYPE = { 'content-type': 'application/json' };

@Controller()
class EchoController {
  @Post('echo')
  @UseGuards(SessionGuard)
  echo(@Body() body: object) {
    return body;
  }
}

describe.each(PLATFORMS)('the client refreshes on %s', platform => {
  let test: TestApp;
  let recording: RecordingFetch;
  let page: SessionFetch;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [EchoController] });
  });
  afterAll(() => test?.close());

  beforeEach(async () => {
    recording = new RecordingFetch(new CookieJarClient(test.url));
    page = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch });
    expect((await post('/login', JSON.stringify({ userId: 'ada' }))).status).toBe(200);
    recording.take();
    test.events.length = 0;
  });
  afterEach(() => page.close());

  const post = (path: string, body: string) => page(path, { method: 'POST', headers: JSON_TYPE, body });

  /** How many refreshes the server has seen. */
  const refreshes = () => test.events.filter(({ type }) => /refreshed|replayed/.test(type)).length;

  it('not at all while the access token is good', async () => {
    expect(await (await page('/me')).json()).toMatchObject({ userId: 'ada' });
    expect(recording.sent).toEqual(['GET /me']);
  });

  it('once after it has expired, and repeats the request once', async () => {
    await test.advance('11m');
    const response = await page('/me');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ userId: 'ada' });
    expect(recording.take()).toEqual(['GET /me', REFRESH, 'GET /me']);
    expect((await page('/me')).status).toBe(200);
    expect(recording.sent).toEqual(['GET /me']);
  });

  it('once when it is no longer valid: its key is distrusted', async () => {
    await test.sessions.rotateKeys({ distrust: true });
    expect((await page('/me')).status).toBe(200);
    expect(recording.sent).toEqual(['GET /me', REFRESH, 'GET /me']);
  });

  it('once for 20 parallel requests', async () => {
    await test.advance('11m');
    const responses = await Promise.all(Array.from({ length: 20 }, () => page('/me')));
    expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
    expect(refreshes()).toBe(1);
  });

  it('not again for an answer that comes after the refresh which it would have asked for', async () => {
    await test.advance('11m');
    let letThrough!: () => void;
    const late = new Promise<void>(resolve => (letThrough = resolve));
    recording.between = async (request, forward) => {
      const response = await forward(request);
      if (request.headers.has('x-late') && response.status === 401) await late;
      return response;
    };
    const slow = page('/me', { headers: { 'x-late': 'yes' } });
    expect((await page('/me')).status).toBe(200);
    letThrough();
    expect((await slow).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  it('and repeats a request as it was, even if its caller changes it meanwhile', async () => {
    await test.advance('11m');
    const headers = new Headers({ ...JSON_TYPE, 'x-mine': 'yes' });
    const init = { method: 'POST', headers, body: TEXT };
    const answer = page(new URL('/act', test.url), init);
    headers.set('x-mine', 'no');
    init.method = 'DELETE';
    expect((await answer).status).toBe(200);
    expect(recording.sent).toEqual(['POST /act', REFRESH, 'POST /act']);
    expect(recording.requests.at(-1)!.headers.get('x-mine')).toBe('yes');
  });

  it.each([
    ['text', () => TEXT],
    ['bytes', () => new TextEncoder().encode(TEXT)],
    ['a buffer', () => new TextEncoder().encode(TEXT).buffer],
    ['a form', () => new URLSearchParams({ text: 'hello' })],
    ['a blob', () => new Blob([TEXT])],
  ])('and repeats a request whose body is %s', async (_, make) => {
    await test.advance('11m');
    const body = make();
    const headers: Record<string, string> = body instanceof URLSearchParams ? {} : JSON_TYPE;
    const response = await page('/echo', { method: 'POST', headers, body });
    expect(await response.json()).toEqual({ text: 'hello' });
  });

  it.each([
    ['a stream', () => page('/act', streaming())],
    ['an async iterable', () => page('/act', { ...streaming(), body: chunks() })],
  ])('but does not repeat a request whose body is %s: its caller gets the 401', async (_, send) => {
    await test.advance('11m');
    const response = await send();
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ errorCode: 'access_token_expired' });
    expect(recording.take()).toEqual(['POST /act', REFRESH]);
    expect((await page('/me')).status).toBe(200);
    expect(recording.sent).toEqual(['GET /me']);
  });

  it.each([
    ['text', () => TEXT],
    ['a stream', () => new Blob([TEXT]).stream()],
  ])('and repeats a Request with a body, as axios, ky and openapi-fetch send it: %s', async (_, make) => {
    await test.advance('11m');
    const init = { method: 'POST', headers: JSON_TYPE, body: make(), duplex: 'half' } as RequestInit;
    const response = await page(new Request(`${test.url}/echo`, init));
    expect(await response.json()).toEqual({ text: 'hello' });
    expect(recording.sent).toEqual(['POST /echo', REFRESH, 'POST /echo']);
  });

  it('and repeats a Request without a body', async () => {
    await test.advance('11m');
    expect((await page(new Request(`${test.url}/me`))).status).toBe(200);
    expect((await page(new Request(`${test.url}/act`, { method: 'POST' }))).status).toBe(200);
    await test.advance('11m');
    expect((await page(new Request(`${test.url}/act`, { method: 'POST' }))).status).toBe(200);
  });

  it('never in a loop: a repeated request that is refused again is the answer', async () => {
    const refused = () => Response.json({ errorCode: 'access_token_expired' }, { status: 401 });
    recording.between = async (request, forward) => (request.url.endsWith('/me') ? refused() : forward(request));
    expect((await page('/me')).status).toBe(401);
    expect(recording.take()).toEqual(['GET /me', REFRESH, 'GET /me']);
    // With a refresh of another request in between, too.
    const answers = await Promise.all(Array.from({ length: 5 }, () => page('/me')));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(recording.sent.length).toBeLessThanOrEqual(5 * 3 + 2);
  });

  it('not for other refusals: 401 of something else, 403, 404', async () => {
    const answers = [
      Response.json({ errorCode: 'insufficient_user_authentication' }, { status: 401 }),
      Response.json({ errorCode: 'access_token_expired' }, { status: 403 }),
      Response.json(null, { status: 401 }),
      new Response('{"errorCode":"access_token_expired"', { status: 401, headers: { 'content-type': 'text/json' } }),
      new Response('Unauthorized', { status: 401 }),
    ];
    for (const answer of answers) {
      recording.between = async () => answer;
      expect(await page('/me')).toBe(answer);
      expect(answer.bodyUsed).toBe(false);
    }
    expect(recording.sent).toEqual(answers.map(() => 'GET /me'));
  });

  it("and obeys the caller's signal while it refreshes; the refresh continues for others", async () => {
    await test.advance('11m');
    const held = recording.hold('/refresh');
    const controller = new AbortController();
    const given = page('/me', { signal: controller.signal });
    const other = page('/me');
    const why = new Error('no longer of interest');
    while (!recording.sent.includes(REFRESH)) await new Promise(resolve => setImmediate(resolve));
    controller.abort(why);
    await expect(given).rejects.toBe(why);
    held.release();
    expect((await other).status).toBe(200);
    expect(refreshes()).toBe(1);
    await expect(page('/me', { signal: controller.signal })).rejects.toBe(why);
  });
});

describe.each(PLATFORMS)('the client below a prefix on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    const configure = (app: TestApp['app']) => void app.setGlobalPrefix('api');
    test = await startTestApp({ platform, configure, session: { controller: { path: 'auth' } } });
  });
  afterAll(() => test?.close());

  it.each(['/api', '/api/'])('finds the routes with baseUrl ending in %s', async path => {
    const recording = new RecordingFetch(new CookieJarClient(test.url));
    const page = createSessionFetch({ baseUrl: `${test.url}${path}`, sessionPath: 'auth', fetch: recording.fetch });
    const body = new URLSearchParams({ userId: 'ada' });
    expect((await page('login', { method: 'POST', body })).status).toBe(200);
    await test.advance('11m');
    expect((await page('me')).status).toBe(200);
    expect(recording.sent).toEqual(['POST /api/login', 'GET /api/me', 'POST /api/auth/refresh', 'GET /api/me']);
    await page.logOut();
    expect((await page('/api/me')).status).toBe(401);
  });
});

function streaming(): RequestInit {
  return { method: 'POST', headers: JSON_TYPE, body: new Blob([TEXT]).stream(), duplex: 'half' };
}

async function* chunks() {
  yield new TextEncoder().encode(TEXT);
}
