import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieJarClient, parseCookie } from '../support/cookie-jar-client.js';
import { type Answer, send } from '../support/client.js';
import { BearerClient } from '../support/bearer-client.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { PLATFORMS, SECRET, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { upgrade } from '../support/upgrade.js';

const CROSS_SITE = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' };
const REFUSED = { status: 403, body: { errorCode: 'csrf_rejected' }, setCookie: [] };

/** Unsafe routes that cookies authenticate; the last ones end the session. */
const CHECKED: [method: string, path: string][] = [
  ['POST', '/act'],
  ['DELETE', '/session/devices/none'],
  ['POST', '/session/logout-others'],
  ['POST', '/session/refresh'],
  ['POST', '/session/logout'],
];

async function logIn({ url }: TestApp, userId = 'ada'): Promise<CookieJarClient> {
  const browser = new CookieJarClient(url);
  expect((await browser.logIn(userId)).status).toBe(200);
  return browser;
}

const own = (browser: CookieJarClient) => ({ 'x-csrf-token': browser.valueOf('csrf_token') });

const issued = ({ setCookie }: Answer) => setCookie.map(parseCookie).find(({ name }) => name.includes('csrf_token'));

const act = async (test: TestApp) => {
  const browser = await logIn(test);
  return (await browser.send('/act', { method: 'POST', headers: { ...own(browser), ...CROSS_SITE } })).status;
};

describe.each(PLATFORMS)('F9, X06, scenario 3: CSRF tokens on %s', platform => {
  let apps: TestApps;
  let token: TestApp;
  let both: TestApp;
  let off: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    token = await apps.start({ session: { csrf: 'token' }, controllers: [LogInWithController] });
    both = await apps.start({ session: { csrf: 'both' } });
    off = await apps.start({ session: { csrf: 'off' } });
  });
  afterAll(() => apps?.close());

  describe.each(['token', 'both'])('%s', mode => {
    const app = () => (mode === 'token' ? token : both);

    it('pages can read the token, and it has the prefix, path and age of the access cookie', async () => {
      const answer = await new CookieJarClient(app().url).logIn('ada');
      const { name, attributes } = issued(answer)!;
      const access = answer.setCookie.map(parseCookie).find(cookie => cookie.name === '__Host-Http-access_token')!;
      expect(name).toBe('__Host-csrf_token');
      const { HttpOnly, ...rest } = access.attributes;
      expect(HttpOnly).toBe(true);
      expect(attributes).toEqual(rest);
    });

    it('with the own token everything goes on, also after a refresh', async () => {
      const browser = await logIn(app());
      for (const [method, path] of CHECKED) {
        const answer = await browser.send(path, { method, headers: { ...own(browser), ...SAME_ORIGIN } });
        expect([path, answer.status]).toEqual([
          path,
          path.endsWith('none') ? 404 : path.endsWith('logout') ? 204 : 200,
        ]);
      }
      expect(browser.cookies).toEqual([]);
    });

    it("X06: a missing or wrong token, or another session's, is refused and changes nothing", async () => {
      const browser = await logIn(app());
      const other = await logIn(app());
      const value = browser.valueOf('csrf_token');
      const jar = [...browser.cookies];
      const wrong = [
        {},
        { 'x-csrf-token': '' },
        { 'x-csrf-token': 'junk' },
        { 'x-csrf-token': value.slice(0, -4) },
        { 'x-csrf-token': (value.startsWith('A') ? 'B' : 'A') + value.slice(1) },
        { 'x-csrf-token': `${value}, ${value}` },
        own(other),
      ];
      for (const headers of wrong) {
        for (const [method, path] of CHECKED) {
          const answer = await browser.send(path, { method, headers: { ...headers, ...SAME_ORIGIN } });
          expect({ path, sent: headers, ...answer }).toMatchObject(REFUSED);
        }
      }
      expect(browser.cookies).toEqual(jar);
      const again = { method: 'POST', headers: own(browser) };
      expect((await browser.send('/session/refresh', again)).status).toBe(200);
    });

    it('the refusal says what to send', async () => {
      const { body } = await (await logIn(app())).send('/act', { method: 'POST' });
      expect(body.message).toMatch(/csrf_token cookie.*x-csrf-token/);
    });

    it('reading needs no token', async () => {
      const browser = await logIn(app());
      expect((await browser.send('/me', { headers: CROSS_SITE })).status).toBe(200);
      expect((await browser.send('/session/devices')).status).toBe(200);
    });

    it('X04: bearer clients need none and get none; junk beside cookies is no way round', async () => {
      const client = new BearerClient(app().url);
      const login = await client.logIn('ada');
      expect(issued(login)).toBeUndefined();
      expect((await client.send('/act', { method: 'POST' })).status).toBe(200);
      expect((await client.refresh()).status).toBe(200);
      const browser = await logIn(app());
      const headers = { authorization: 'Bearer junk' };
      expect((await browser.send('/act', { method: 'POST', headers })).status).toBe(401);
    });

    it('a login has no token yet: its origin counts', async () => {
      // oxlint-disable-next-line unicorn/consistent-function-scoping -- it belongs to this test
      const logInFrom = (headers: Record<string, string>) =>
        send(`${app().url}/login`, { method: 'POST', headers, body: { userId: 'ada' } });
      expect(await logInFrom(CROSS_SITE)).toMatchObject(REFUSED);
      expect((await logInFrom(SAME_ORIGIN)).status).toBe(200);
    });

    it('a log-out without a session has no token either: other sites cannot clear the cookies', async () => {
      const logOut = { method: 'POST', headers: CROSS_SITE };
      expect(await send(`${app().url}/session/logout`, logOut)).toMatchObject(REFUSED);
      const ownPage = { method: 'POST', headers: SAME_ORIGIN };
      expect((await send(`${app().url}/session/logout`, ownPage)).status).toBe(204);
    });

    it('a WebSocket handshake, to which no page can add a header, is checked by its origin', async () => {
      const cookie = (await logIn(app())).cookieHeader('/me');
      expect(await upgrade(`${app().url}/me`, { cookie, ...SAME_ORIGIN })).toBe(200);
      expect(await upgrade(`${app().url}/me`, { cookie, ...CROSS_SITE })).toBe(403);
    });
  });

  it('token: where a request comes from does not matter; both: it does', async () => {
    expect(await act(token)).toBe(200);
    expect(await act(both)).toBe(403);
  });

  it('the next login has another token, and the former one is of no use', async () => {
    const browser = await logIn(token);
    const former = own(browser);
    await browser.send('/login', { method: 'POST', headers: SAME_ORIGIN, body: { userId: 'ada' } });
    expect(own(browser)).not.toEqual(former);
    expect(await browser.send('/act', { method: 'POST', headers: former })).toMatchObject(REFUSED);
  });

  it('the cookie alone, which other sites cannot read but a browser sends, is not enough', async () => {
    const browser = await logIn(token);
    expect(browser.cookieHeader('/act')).toContain('csrf_token=');
    expect(await browser.send('/act', { method: 'POST' })).toMatchObject(REFUSED);
  });

  it('scenario 3: off: none is issued, and a wrong one is ignored', async () => {
    const browser = new CookieJarClient(off.url);
    expect(issued(await browser.logIn('ada'))).toBeUndefined();
    const headers = { 'x-csrf-token': 'wrong', ...CROSS_SITE };
    for (const path of ['/act', '/session/refresh']) {
      const answer = await browser.send(path, { method: 'POST', headers });
      expect([path, answer.status, issued(answer)]).toEqual([path, 200, undefined]);
    }
  });

  it('without Secure, or with a domain, the prefix goes', async () => {
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- it belongs to this test
    const nameWith = async (cookies: object) => {
      const test = await apps.start({ session: { csrf: 'token', cookies } });
      return issued(await send(`${test.url}/login`, { method: 'POST', body: { userId: 'ada' } }))!.name;
    };
    expect(await nameWith({ secure: false })).toBe('csrf_token');
    expect(await nameWith({ domain: 'example.com' })).toBe('__Secure-csrf_token');
  });

  it('tokens outlive a change of the server secret', async () => {
    const former = await logIn(token);
    const secret = ['another-secret-that-is-long-enough-for-everybody', SECRET];
    const rotated = await apps.start({ session: { csrf: 'token', secret } });
    const browser = new CookieJarClient(rotated.url);
    browser.cookies = former.cookies;
    const before = own(browser);
    expect((await browser.send('/act', { method: 'POST', headers: before })).status).toBe(200);
    expect((await browser.send('/session/refresh', { method: 'POST', headers: before })).status).toBe(200);
    expect(own(browser)).not.toEqual(before);
    expect((await browser.send('/act', { method: 'POST', headers: own(browser) })).status).toBe(200);
  });
});
