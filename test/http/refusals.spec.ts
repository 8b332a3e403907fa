import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { type Answer, send } from '../support/client.js';
import { type Issued } from '../support/raw-cookies.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const STATUS_TEXTS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  503: 'Service Unavailable',
};

// RFC 6750, section 3: the characters that a description may have, in a quoted string.
const INVALID_TOKEN =
  /^Bearer error="invalid_token", error_code="\w+", error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]+"$/;

const ROUTES: [method: string, path: string][] = [
  ['POST', '/login'],
  ['POST', '/session/refresh'],
  ['POST', '/session/logout'],
  ['POST', '/session/logout-others'],
  ['POST', '/session/logout-all'],
  ['GET', '/session/devices'],
  ['DELETE', '/session/devices/01900000-0000-7000-8000-000000000000'],
];

describe.each(PLATFORMS)('refusals on %s', platform => {
  let test: TestApp;
  let proxy: TcpProxy | undefined;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(async () => {
    await test?.close();
    await proxy?.close();
  });

  const issue = async () => (await test.sessions.logIn('ada')) as Issued;
  const me = ({ accessToken }: Issued) =>
    send(`${test.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  const refresh = (refreshToken: unknown) =>
    send(`${test.url}/session/refresh`, { method: 'POST', body: { refreshToken } });

  const REFUSED: [code: string, status: number, refused: () => Promise<Answer>][] = [
    ['session_missing', 401, () => send(`${test.url}/me`)],
    ['session_missing', 401, () => refresh(undefined)],
    ['access_token_invalid', 401, async () => me({ ...(await issue()), accessToken: 'junk' })],
    [
      'access_token_expired',
      401,
      async () => {
        const session = await issue();
        await test.clock.advance('11m');
        return me(session);
      },
    ],
    [
      'session_revoked',
      401,
      async () => {
        const session = await issue();
        await test.sessions.logOut(session.session.id);
        return me(session);
      },
    ],
    ['refresh_token_invalid', 401, () => refresh('junk')],
    [
      'session_expired',
      401,
      async () => {
        const { refreshToken } = await issue();
        await test.advance('31d');
        return refresh(refreshToken);
      },
    ],
    [
      'token_theft_detected',
      401,
      async () => {
        const { refreshToken } = await issue();
        for (let generation = 0, token = refreshToken; generation < 3; generation++) {
          await test.clock.advance('1m');
          token = (await test.sessions.refresh({ refreshToken: token })).refreshToken!;
        }
        return refresh(refreshToken);
      },
    ],
    [
      'csrf_rejected',
      403,
      () => send(`${test.url}/session/refresh`, { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }),
    ],
    [
      'session_not_found',
      404,
      async () => {
        const headers = { authorization: `Bearer ${(await issue()).accessToken}` };
        return send(`${test.url}/session/devices/none`, { method: 'DELETE', headers });
      },
    ],
    ['invalid_request', 400, () => send(`${test.url}/login`, { method: 'POST', body: { userId: '' } })],
  ];

  it.each(REFUSED)('%s is a %i with a body, and a challenge on 401 only', async (code, statusCode, refused) => {
    const { status, headers, body } = await refused();
    expect(status).toBe(statusCode);
    expect(body).toEqual({
      statusCode,
      error: STATUS_TEXTS[statusCode],
      errorCode: code,
      message: expect.any(String),
      ...(code === 'token_theft_detected' ? { class: 'stale' } : {}),
    });
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    const challenge = headers.get('www-authenticate');
    if (statusCode !== 401) return expect(challenge).toBeNull();
    // Without credentials there is nothing to find fault with (RFC 6750, section 3.1).
    if (code === 'session_missing') expect(challenge).toBe('Bearer');
    else expect(challenge).toMatch(INVALID_TOKEN);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('session_store_unavailable says when to try again, on every route that asks the database', async () => {
    proxy = await TcpProxy.to(test.database.url);
    const { database, clock } = test;
    const cut = await startTestApp({ platform, database, clock, typeorm: { url: proxy.url } });
    try {
      const browser = new CookieJarClient(cut.url);
      await browser.logIn('ada');
      const jar = [...browser.cookies];
      await proxy.refuse();
      for (const [method, path] of ROUTES) {
        const body = { userId: 'ada' };
        const answer = await browser.send(path, { method, body: method === 'GET' ? undefined : body });
        expect([path, answer.status, answer.body.errorCode]).toEqual([path, 503, 'session_store_unavailable']);
        expect([path, answer.headers.get('retry-after')]).toEqual([path, expect.stringMatching(/^[1-9]\d*$/)]);
        expect([path, answer.setCookie, answer.headers.get('www-authenticate')]).toEqual([path, [], null]);
      }
      expect(browser.cookies).toEqual(jar);
      await proxy.restore();
      expect((await browser.post('/session/refresh')).status).toBe(200);
    } finally {
      await proxy.restore();
      await cut.close();
    }
  });
});
