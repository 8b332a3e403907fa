import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSessionFetch, type SessionEnd, type SessionFetch } from 'nestjs-jwt-session/client';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { RecordingFetch } from '../support/recording-fetch.js';

/** Another server, which answers as ours might, to see what it can come by. */
class Stranger {
  readonly requests: IncomingMessage[] = [];
  private readonly server: Server;

  constructor(errorCode: string) {
    this.server = createServer((request, response) => {
      this.requests.push(request);
      request.resume();
      response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ errorCode }));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>(resolve => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe.each(PLATFORMS)('where the client sends what, on %s', platform => {
  let test: TestApp;
  let browser: CookieJarClient;
  let recording: RecordingFetch;
  let page: SessionFetch;
  let ends: SessionEnd[];
  const strangers: Stranger[] = [];
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { csrf: 'token' } });
  });
  afterAll(() => test?.close());

  /** The cookies that the page's scripts can read. */
  const readable = () =>
    browser.cookies
      .filter(({ attributes }) => !attributes.HttpOnly)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');

  beforeEach(async () => {
    browser = new CookieJarClient(test.url);
    recording = new RecordingFetch(browser);
    ends = [];
    const document = {
      get cookie() {
        return `theme=dark; csrf_token=planted; ${readable()}`;
      },
    };
    const environment = { document, location: { href: `${test.url}/home` } };
    const onSessionEnd = (end: SessionEnd) => void ends.push(end);
    page = createSessionFetch({ baseUrl: '/', fetch: recording.fetch, onSessionEnd, environment });
    await browser.logIn('ada');
  });
  afterEach(() => {
    page.close();
    strangers.splice(0).forEach(stranger => stranger.close());
  });

  function start(errorCode: string): { stranger: Stranger; address: Promise<string> } {
    const stranger = new Stranger(errorCode);
    strangers.push(stranger);
    return { stranger, address: stranger.start() };
  }

  const csrfSent = () => recording.requests.map(({ method, headers }) => [method, headers.has('x-csrf-token')]);

  it('F9: unsafe requests carry the CSRF token of the cookie, also the refresh and the log-out', async () => {
    await test.advance('11m');
    expect((await page('/act', { method: 'post' })).status).toBe(200);
    expect((await page('/session/logout-others', { method: 'POST' })).status).toBe(200);
    await page.logOut();
    expect(browser.cookies).toEqual([]);
    expect(csrfSent()).toEqual(recording.requests.map(() => ['POST', true]));
  });

  it('F9: safe ones do not, and none where there is no cookie', async () => {
    await page('/me');
    await page('/me', { method: 'HEAD' });
    browser.cookies = [];
    const { fetch } = recording;
    const plain = createSessionFetch({ baseUrl: test.url, fetch, environment: { document: { cookie: 'theme=dark' } } });
    await plain('/act', { method: 'POST' });
    expect(csrfSent()).toEqual([
      ['GET', false],
      ['HEAD', false],
      ['POST', false],
    ]);
  });

  it.each(['access_token_expired', 'session_revoked'])(
    'another origin gets no token, and its "%s" means nothing',
    async errorCode => {
      const { stranger, address } = start(errorCode);
      const elsewhere = await address;
      const bearer = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch, storage: fullStorage() });
      for (const client of [page, bearer]) {
        for (const input of [`${elsewhere}/me`, new URL(elsewhere), elsewhere.replace('http:', '')]) {
          expect((await client(input, { method: 'POST', body: 'text' })).status).toBe(401);
        }
        expect((await client(new Request(elsewhere, { headers: { 'x-own': 'kept' } }))).status).toBe(401);
      }
      expect(stranger.requests.length).toBe(8);
      expect(recording.sent.length).toBe(8);
      expect(recording.requests.map(({ credentials }) => credentials)).toEqual(
        recording.requests.map(() => 'same-origin'),
      );
      const headers = stranger.requests.flatMap(request => Object.keys(request.headers));
      expect(headers.filter(name => /csrf|authorization|session/.test(name))).toEqual([]);
      expect(stranger.requests.at(-1)!.headers['x-own']).toBe('kept');
      expect(ends).toEqual([]);
    },
  );

  it.each(['access_token_expired', 'session_revoked'])(
    'where a redirect led to another origin, its "%s" means nothing',
    async errorCode => {
      const { stranger, address } = start(errorCode);
      const elsewhere = await address;
      recording.between = async request => fetch(elsewhere, { method: request.method });
      expect((await page('/me')).status).toBe(401);
      expect(stranger.requests.length).toBe(1);
      expect(recording.sent).toEqual(['GET /me']);
      expect(ends).toEqual([]);
    },
  );

  it('no redirect is followed with a refresh token', async () => {
    await test.advance('11m');
    await page('/me');
    await page.logOut();
    const posts = recording.requests.filter(({ url }) => url.includes('/session/'));
    expect(posts.map(({ redirect }) => redirect)).toEqual(['error', 'error']);
  });

  it('a request with an Authorization header of its own is not of the session', async () => {
    const response = await page('/me', { headers: { authorization: 'Bearer junk' } });
    expect(await response.json()).toMatchObject({ errorCode: 'access_token_invalid' });
    expect(recording.sent).toEqual(['GET /me']);
  });

  it('cookies go to a server of another origin only if that is the baseUrl; what the caller says counts', async () => {
    const location = { href: 'https://app.example.com/' };
    const app = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch, environment: { location } });
    await app('/me');
    await app('/me', { credentials: 'omit' });
    await app(new Request(`${test.url}/me`, { credentials: 'omit' }));
    await page('/me');
    expect(recording.requests.map(({ credentials }) => credentials)).toEqual([
      'include',
      'omit',
      'omit',
      'same-origin',
    ]);
  });

  it.each(['', 'example.com', '/relative', 'file:///home', 'data:text/plain,x'])(
    'a baseUrl of "%s" is refused outside pages, with what to write instead',
    baseUrl => {
      expect(() => createSessionFetch({ baseUrl })).toThrow(/baseUrl must be a URL such as/);
    },
  );

  it('an address that is none is refused as by fetch', async () => {
    await expect(page('http://')).rejects.toThrow('Invalid URL');
  });
});

function fullStorage() {
  const tokens = { accessToken: 'access', refreshToken: 'refresh' };
  return { load: () => tokens, save: () => undefined, clear: () => undefined };
}
