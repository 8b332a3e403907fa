import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { type Answer, send } from '../support/client.js';
import { LogInWithController, type LogInWith } from '../support/log-in-with.controller.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { upgrade } from '../support/upgrade.js';

const TRUSTED = 'https://trusted.example';
const EVIL = 'https://evil.example';

const ALLOWED: [what: string, headers: Record<string, string>][] = [
  ['X01: same-origin', { 'sec-fetch-site': 'same-origin', origin: EVIL }],
  ['X01: typed in by the user', { 'sec-fetch-site': 'none' }],
  ['X01: cross-site from a trusted origin', { 'sec-fetch-site': 'cross-site', origin: TRUSTED }],
  ['X03: same-site from a trusted origin', { 'sec-fetch-site': 'same-site', origin: TRUSTED }],
  ['X02: the own origin, without Fetch Metadata', { origin: 'http://HOST' }],
  ['X02: a trusted origin, without Fetch Metadata', { origin: TRUSTED }],
  ['X02: no browser at all', {}],
];

const REFUSED: [what: string, headers: Record<string, string>][] = [
  ['X01: cross-site', { 'sec-fetch-site': 'cross-site', origin: EVIL }],
  ['X01: cross-site without an origin', { 'sec-fetch-site': 'cross-site' }],
  ['X01: cross-site with the own origin', { 'sec-fetch-site': 'cross-site', origin: 'http://HOST' }],
  ['X01: a value that nobody knows', { 'sec-fetch-site': 'sideways' }],
  ['X03: same-site', { 'sec-fetch-site': 'same-site', origin: 'http://sibling.HOST' }],
  ['X02: another origin, without Fetch Metadata', { origin: EVIL }],
  ['X02: the opaque origin, without Fetch Metadata', { origin: 'null' }],
  ['X02: the opaque origin of another site', { 'sec-fetch-site': 'cross-site', origin: 'null' }],
];

/** Routes where cookies authenticate, are set or cleared; the last ones end the session, so each login is a new one. */
const CHECKED: [method: string, path: string][] = [
  ['POST', '/act'],
  ['DELETE', '/session/devices/none'],
  ['POST', '/session/logout-others'],
  ['POST', '/login'],
  ['POST', '/session/refresh'],
  ['POST', '/session/logout-all'],
  ['POST', '/session/logout'],
];

describe.each(PLATFORMS)('F9: requests of other sites on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({ session: { trustedOrigins: [TRUSTED] }, controllers: [LogInWithController] });
  });
  afterAll(() => apps?.close());

  const from = (headers: Record<string, string>) => {
    const { host } = new URL(test.url);
    return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace('HOST', host)]));
  };
  const logIn = async ({ url } = test) => {
    const browser = new CookieJarClient(url);
    await browser.logIn('ada');
    return browser;
  };
  const act = async (headers: Record<string, string>): Promise<Answer> =>
    (await logIn()).send('/act', { method: 'POST', headers });

  const evil = { 'sec-fetch-site': 'cross-site', origin: EVIL };
  const body = { userId: 'grace' };

  const logInWith = async (options: Partial<LogInWith>) =>
    (await send(`${test.url}/log-in-with`, { method: 'POST', headers: evil, body: { ...body, ...options } })).status;

  it.each(ALLOWED)('%s is allowed', async (_, headers) => {
    for (const [method, path] of CHECKED) {
      const browser = await logIn();
      const answer = await browser.send(path, { method, headers: from(headers), body });
      expect([path, answer.status]).toEqual([path, path.endsWith('none') ? 404 : path.endsWith('out') ? 204 : 200]);
    }
  });

  it.each(REFUSED)('%s is refused, and changes nothing', async (_, headers) => {
    const browser = await logIn();
    const jar = [...browser.cookies];
    for (const [method, path] of CHECKED) {
      const answer = await browser.send(path, { method, headers: from(headers), body });
      expect([path, answer.status, answer.body.errorCode]).toEqual([path, 403, 'csrf_rejected']);
      expect(answer.setCookie).toEqual([]);
    }
    expect(browser.cookies).toEqual(jar);
    expect((await browser.send('/me')).status).toBe(200);
    expect((await browser.post('/session/refresh')).status).toBe(200);
  });

  it.each(['/session/refresh', '/session/logout', '/login'])(
    '%s is checked first, even without cookies',
    async path => {
      const answer = await send(`${test.url}${path}`, { method: 'POST', headers: evil, body });
      expect([answer.status, answer.body.errorCode]).toEqual([403, 'csrf_rejected']);
      expect(answer.setCookie).toEqual([]);
    },
  );

  it('the message names the origin and what to do about it', async () => {
    const { body: named, headers } = await act({ origin: 'http://localhost:5173' });
    expect(named.message).toContain('origin http://localhost:5173 is not in trustedOrigins');
    expect(headers.get('www-authenticate')).toBeNull();
    expect((await act({ 'sec-fetch-site': 'cross-site' })).body.message).toContain('names no origin');
  });

  it('safe methods are not checked', async () => {
    const browser = await logIn();
    for (const method of ['GET', 'HEAD']) {
      expect((await browser.send('/me', { method, headers: evil })).status).toBe(200);
    }
  });

  it('a WebSocket handshake is checked, though it is a GET', async () => {
    const cookie = (await logIn()).cookieHeader('/me');
    expect(await upgrade(`${test.url}/me`, { cookie, origin: EVIL })).toBe(403);
    expect(await upgrade(`${test.url}/me`, { cookie, ...evil })).toBe(403);
    expect(await upgrade(`${test.url}/me`, { cookie, origin: test.url })).toBe(200);
    expect(await upgrade(`${test.url}/me`, { cookie })).toBe(200);
  });

  it('X04: bearer requests are exempt', async () => {
    const { accessToken } = await test.sessions.logIn('ada');
    const headers = { ...evil, authorization: `Bearer ${accessToken}` };
    expect((await send(`${test.url}/act`, { method: 'POST', headers })).status).toBe(200);
    expect((await send(`${test.url}/session/logout`, { method: 'POST', headers })).status).toBe(204);
    expect((await send(`${test.url}/me`, { headers })).body.errorCode).toBe('session_revoked');
  });

  it.each(['Bearer junk', 'Bearer', 'Basic YWRhOmxvdmVsYWNl', ''])(
    'X04: "%s" in Authorization is no way around the check for cookies',
    async authorization => {
      const browser = await logIn();
      const headers = { ...evil, authorization };
      for (const [method, path] of CHECKED) {
        const answer = await browser.send(path, { method, headers, body });
        // Log-out answers 204 to a request without a session; the cookies do not count.
        const refused = path === '/session/logout' ? [204, 403] : [401, 403];
        expect(refused).toContain(answer.status);
        expect(answer.setCookie).toEqual([]);
      }
      expect((await browser.send('/me')).body.userId).toBe('ada');
    },
  );

  it('logs in across sites where the application asks for it, and where the page gets no cookies', async () => {
    expect(await logInWith({})).toBe(403);
    expect(await logInWith({ crossSite: true })).toBe(200);
    expect(await logInWith({ transport: 'bearer' })).toBe(200);
  });

  it('checks nothing where it is off, or where there are no cookies', async () => {
    const off = await apps.start({ session: { csrf: 'off' } });
    for (const [method, path] of CHECKED) {
      const answer = await (await logIn(off)).send(path, { method, headers: evil, body });
      expect(answer.body.errorCode).toBe(path.endsWith('none') ? 'session_not_found' : undefined);
    }
    const { url, sessions } = await apps.start({ session: { transport: 'bearer' } });
    const { refreshToken } = await sessions.logIn('ada');
    const refresh = await send(`${url}/session/refresh`, { method: 'POST', headers: evil, body: { refreshToken } });
    const logout = await send(`${url}/session/logout`, { method: 'POST', headers: evil, body: { refreshToken } });
    expect([refresh.status, logout.status]).toEqual([200, 204]);
  });

  it('X04: where Authorization counts for nothing, it is no way around either', async () => {
    const { url } = await apps.start({ session: { transport: 'cookie' } });
    const browser = await logIn({ ...test, url });
    for (const [method, path] of CHECKED) {
      const answer = await browser.send(path, { method, headers: { ...evil, authorization: 'Bearer junk' }, body });
      expect([path, answer.body.errorCode]).toEqual([path, 'csrf_rejected']);
    }
  });
});
