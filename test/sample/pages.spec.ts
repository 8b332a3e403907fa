import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'node:http';
import { CookieClient, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { EventStream } from '../support/event-stream.js';
import { SampleProcess } from '../support/sample-process.js';
import { PLATFORMS } from '../support/test-app.js';
import { until } from '../support/until.js';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

const PASSWORDS = { ada: 'lovelace', grace: 'hopper' };

async function logInAt(url: string, username: keyof typeof PASSWORDS, userAgent = FIREFOX): Promise<CookieClient> {
  const client = new CookieClient(url);
  const body = { username, password: PASSWORDS[username] };
  expect((await client.send('/login', { method: 'POST', body, headers: { 'user-agent': userAgent } })).status).toBe(
    200,
  );
  return client;
}

const post = (client: CookieClient, path: string, body?: unknown) => client.send(path, { method: 'POST', body });

const QUICK = { SESSION_LEEWAY: '0s', REVOCATION_MAX_STALENESS: '3s' };

describe.each(PLATFORMS)('the pages of the sample on %s', platform => {
  let database: TestDatabase;
  let sample: SampleProcess;
  beforeAll(async () => {
    database = await TestDatabase.create();
    sample = await SampleProcess.start(database, { HTTP_PLATFORM: platform, ...QUICK });
  });
  afterAll(async () => {
    await sample?.stop();
    await database?.drop();
  });

  const logIn = (username: keyof typeof PASSWORDS, userAgent?: string) => logInAt(sample.url, username, userAgent);

  async function watch(client: CookieClient): Promise<EventStream> {
    const stream = await EventStream.open(`${sample.url}/inside/events`, client.jar);
    await until(async () => stream.of('state').length > 0);
    return stream;
  }

  /** What happened to sessions. On a slow machine there are events of the feed as well. */
  const told = (stream: EventStream) => stream.of('happened').filter(({ type }) => String(type).startsWith('session.'));

  describe('files', () => {
    it.each(['/', '/inside', '/theft'])(
      '%s is a page that runs nothing of its own and is kept by nobody',
      async path => {
        const { status, headers } = await send(`${sample.url}${path}`);
        expect(status).toBe(200);
        expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
        expect(headers.get('content-security-policy')).toBe(POLICY);
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(headers.get('referrer-policy')).toBe('same-origin');
        expect(headers.get('cache-control')).toBe('no-store');
        const html = await (await fetch(`${sample.url}${path}`)).text();
        expect(html).not.toMatch(/<style| style=| on[a-z]+=|<script(?![^>]* src=)|https?:\/\//);
      },
    );

    it('everything that a page loads is there, with its type', async () => {
      const types = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };
      const seen = new Set<string>();
      const follow = async (path: string): Promise<void> => {
        if (seen.has(path)) return;
        seen.add(path);
        const response = await fetch(`${sample.url}${path}`);
        expect([path, response.status]).toEqual([path, 200]);
        const extension = path.slice(path.lastIndexOf('.') + 1) as keyof typeof types;
        if (path.startsWith('/assets')) expect(response.headers.get('content-type')).toBe(types[extension]);
        const text = await response.text();
        const loaded = [
          ...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g),
          ...(extension === 'js' ? text.matchAll(/^(?:import|export|\}) .*?from '([^']+)'/gm) : []),
        ];
        for (const [, name] of loaded) await follow(new URL(name!, new URL(path, sample.url)).pathname);
      };
      for (const page of ['/', '/inside', '/theft']) await follow(page);
      for (const path of ['/assets/home.js', '/assets/style.css', '/assets/client/index.js']) {
        expect(seen).toContain(path);
      }
    });

    it.each([
      '/assets/nothing.js',
      '/assets/../package.json',
      '/assets/..%2f..%2f..%2fpackage.json',
      '/assets/%2e%2e%2fdist%2fmain.js',
      '/assets/client/..%2findex.js',
      '/assets/client/../../dist/main.js',
      '/assets/index.html%00.js',
      '/assets/__proto__',
      '/assets/',
    ])('%s is no file of a page', async path => {
      // Not by fetch, which would tidy the path up.
      const status = await new Promise<number>((resolve, reject) => {
        const { hostname, port } = new URL(sample.url);
        request({ hostname, port, path }, response => resolve(response.resume().statusCode!))
          .on('error', reject)
          .end();
      });
      expect([400, 404]).toContain(status);
    });

    it('C05: private answers are kept by nobody, public keys may be', async () => {
      const ada = await logIn('ada');
      for (const path of ['/me', '/notes', '/session/devices']) {
        expect((await ada.send(path)).headers.get('cache-control')).toBe('no-store');
      }
      expect((await send(`${sample.url}/.well-known/jwks.json`)).headers.get('cache-control')).toMatch(/max-age/);
    });
  });

  it.each([
    [FIREFOX, 'Firefox on Linux'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
      'Safari on iOS',
    ],
    ['curl/8.14.1', 'curl'],
    ['<script>alert(1)</script>', null],
    [' ', null],
  ])('F16: a login by %s is listed as %s', async (userAgent, label) => {
    const ada = await logIn('ada', userAgent);
    const devices = (await ada.send('/session/devices')).body as unknown as {
      current: boolean;
      label: string | null;
    }[];
    expect(devices.find(({ current }) => current)!.label).toBe(label);
  });

  describe('the live view', () => {
    it('is for those who are signed in', async () => {
      for (const path of ['/inside/events', '/inside/offer']) {
        expect((await send(`${sample.url}${path}`)).body.errorCode).toBe('session_missing');
      }
    });

    it("tells of the caller's own sessions, and of nobody else's", async () => {
      const [ada, grace] = [await logIn('ada'), await logIn('grace')];
      const stream = await watch(ada);
      expect(stream.contentType).toBe('text/event-stream');
      expect(stream.of('state')[0]).toMatchObject({ generation: 0, minted: false });

      await post(grace, '/session/refresh');
      const late = await logIn('grace');
      await post(late, '/session/logout');
      await post(ada, '/session/refresh');
      const other = await logIn('ada');
      await post(other, '/session/logout');
      await until(async () => told(stream).length >= 3);
      await until(async () => stream.of('state').some(({ lastCase }) => lastCase === 'mint'));

      const { sessionId } = (await ada.send('/me')).body;
      const happened = told(stream);
      expect(happened).toMatchObject([
        { type: 'session.refreshed', sessionId, case: 'mint' },
        { type: 'session.created' },
        { type: 'session.revoked', reason: 'logout' },
      ]);
      expect(happened[1]!.sessionId).not.toBe(sessionId);
      expect(happened[2]!.sessionIds).toEqual([happened[1]!.sessionId]);
      await stream.close();
    });

    it('L01: carries no token, no secret and no user id', async () => {
      const ada = await logIn('ada');
      const stream = await watch(ada);
      const secrets = [...ada.jar.values()];
      await post(ada, '/session/refresh');
      await post(ada, '/session/demonstration/rotate-keys', {});
      await until(async () => stream.of('happened').length >= 2);
      secrets.push(...ada.jar.values());
      for (const secret of secrets) expect(stream.text).not.toContain(secret);
      expect(stream.text).not.toMatch(/eyJ|hash|salt|userId|"[dxyn]":/);
      await stream.close();
    });

    it.each([
      ['log-out', (client: CookieClient) => post(client, '/session/logout'), 'session_revoked'],
      [
        'the end of all sessions',
        (client: CookieClient) => post(client.copy(), '/session/logout-all'),
        'session_revoked',
      ],
    ])('ends with the session: %s', async (_, end, code) => {
      const ada = await logIn('ada');
      const stream = await watch(ada);
      await end(ada);
      await stream.ended;
      expect(stream.of('ended')).toEqual([{ code }]);
    });

    it('ends when another process has ended the session, even without a notification', async () => {
      const ada = await logIn('ada');
      const stream = await watch(ada);
      const { sessionId } = (await ada.send('/me')).body;
      await database.query("UPDATE jwt_session SET revoked_at = now(), revoked_reason = 'support' WHERE id = $1", [
        sessionId,
      ]);
      await stream.ended;
      expect(stream.of('ended')).toEqual([{ code: 'session_revoked' }]);
    });
  });

  describe('the demonstrations', () => {
    it('a lost response does no harm', async () => {
      const ada = await logIn('ada');
      const stream = await watch(ada);
      const before = new Map(ada.jar);
      expect((await post(ada, '/session/demonstration/lost-response')).status).toBe(204);
      expect(ada.jar).toEqual(before);
      expect((await post(ada, '/session/refresh')).status).toBe(200);
      expect((await ada.send('/me')).status).toBe(200);
      await until(async () => told(stream).length >= 2);
      expect(told(stream)).toMatchObject([{ case: 'mint' }, { case: 'retry-of-lost-response' }]);
      await stream.close();
    });

    it('a stolen copy ends both, and the stream tells of it', async () => {
      const ada = await logIn('ada');
      const stream = await watch(ada);
      const { client } = (await post(ada, '/session/demonstration/second-client')).body;
      const act = () =>
        send(`${sample.url}/session/demonstration/second-client/act`, { method: 'POST', body: { client } });
      expect((await act()).body).toEqual({ outcome: 'accepted' });
      expect((await ada.send('/me')).status).toBe(200);

      expect((await post(ada, '/session/refresh')).body.errorCode).toBe('token_theft_detected');
      expect((await act()).body).toEqual({ outcome: 'token_theft_detected' });
      expect((await act()).status).toBe(404);
      await stream.ended;
      expect(stream.of('happened').map(({ type }) => type)).toContain('session.theft');
      expect(stream.of('ended')).toEqual([{ code: 'token_theft_detected' }]);
      for (const token of ada.jar.values()) expect(sample.output).not.toContain(token);
    });

    it('copied cookies of a session that is bound to no key act and refresh', async () => {
      const ada = await logIn('ada');
      const { status, body } = await post(ada, '/session/demonstration/copied-cookies');
      expect([status, body.refresh]).toEqual([200, 'accepted']);
      expect(new Date(body.access as string).getTime()).toBeGreaterThan(Date.now());
      expect((await ada.send('/me')).status).toBe(200);
      expect((await post(ada, '/session/demonstration/drop-access')).status).toBe(204);
      expect((await ada.send('/me')).body.errorCode).toBe('session_missing');
      expect((await post(ada, '/session/refresh')).status).toBe(200);
    });

    it('take nothing from those who are not signed in, and no made-up client', async () => {
      const url = `${sample.url}/session/demonstration`;
      for (const path of ['lost-response', 'second-client', 'copied-cookies', 'drop-access', 'rotate-keys']) {
        expect((await send(`${url}/${path}`, { method: 'POST', body: {} })).body.errorCode).toBe('session_missing');
      }
      const act = (client: string) => send(`${url}/second-client/act`, { method: 'POST', body: { client } });
      expect((await act('00000000-0000-4000-8000-000000000000')).status).toBe(404);
      expect((await act('nonsense')).status).toBe(400);
    });

    it('X01: are refused to pages of other sites', async () => {
      const ada = await logIn('ada');
      const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
      for (const path of ['lost-response', 'second-client', 'copied-cookies', 'drop-access', 'rotate-keys']) {
        const answer = await ada.sendOnly(`/session/demonstration/${path}`, { method: 'POST', body: {}, headers });
        expect(answer.body.errorCode).toBe('csrf_rejected');
      }
    });

    it('keys are rotated by administrators only, and nobody is signed out', async () => {
      const [ada, grace] = [await logIn('ada'), await logIn('grace')];
      const rotate = (client: CookieClient) => post(client, '/session/demonstration/rotate-keys', { distrust: true });
      expect((await rotate(grace)).status).toBe(403);
      expect((await grace.send('/me')).status).toBe(200);
      expect((await grace.send('/inside/offer')).body).toMatchObject({ demonstration: true, rotateKeys: false });
      expect((await ada.send('/inside/offer')).body).toMatchObject({ demonstration: true, rotateKeys: true });

      expect((await rotate(ada)).status).toBe(204);
      expect((await grace.send('/me')).body.errorCode).toBe('access_token_invalid');
      expect((await post(grace, '/session/refresh')).status).toBe(200);
      expect((await grace.send('/me')).status).toBe(200);
    });
  });

  it('in production the demonstrations are not there, and an open stream does not keep it from stopping', async () => {
    const production = await SampleProcess.start(database, {
      HTTP_PLATFORM: platform,
      NODE_ENV: 'production',
      SESSION_SECRET: 'database',
    });
    try {
      const ada = await logInAt(production.url, 'ada');
      expect((await ada.send('/inside')).status).toBe(200);
      expect((await ada.send('/inside/offer')).body).toMatchObject({ demonstration: false, rotateKeys: false });
      const paths = [
        'lost-response',
        'second-client',
        'second-client/act',
        'copied-cookies',
        'drop-access',
        'rotate-keys',
      ];
      for (const path of paths) {
        expect((await post(ada, `/session/demonstration/${path}`, {})).status).toBe(404);
      }
      const stream = await EventStream.open(`${production.url}/inside/events`, ada.jar);
      expect(await production.stop()).toBe(0);
      await stream.ended;
    } finally {
      await production.stop();
    }
  });
});
