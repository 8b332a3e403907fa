import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CookieOptions } from 'nestjs-jwt-session';
import { CookieJarClient, identity, parseCookie } from '../support/cookie-jar-client.js';
import { send } from '../support/client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

type Way = (browser: CookieJarClient, test: TestApp) => Promise<{ status: number; body: { errorCode?: string } }>;

const sessionOf = async (browser: CookieJarClient) => String((await browser.send('/session')).body.id);
const replayed = async (browser: CookieJarClient, test: TestApp) => {
  const stolen = browser.cookieHeader('/session');
  await test.clock.advance('11m');
  await browser.post('/session/refresh');
  await test.clock.advance('1m');
  await browser.post('/session/refresh');
  return { headers: { cookie: stolen }, method: 'POST' };
};

/** Every way in which a browser's session comes to its end, and the answer that tells it so. */
const WAYS: [what: string, code: number | string, end: Way][] = [
  ['log-out', 204, browser => browser.post('/session/logout')],
  ['log-out everywhere', 200, browser => browser.post('/session/logout-all')],
  [
    "ending one's own device",
    204,
    async browser => browser.send(`/session/devices/${await sessionOf(browser)}`, { method: 'DELETE' }),
  ],
  [
    'log-out without a session',
    204,
    async (browser, { sessions }) => {
      await sessions.logOut(await sessionOf(browser));
      return browser.post('/session/logout');
    },
  ],
  [
    'theft, for who comes with the old token',
    'token_theft_detected',
    async (browser, test) => browser.send('/session/refresh', await replayed(browser, test)),
  ],
  [
    'theft, for the other party, at a guarded route',
    'token_theft_detected',
    async (browser, test) => {
      await send(`${test.url}/session/refresh`, await replayed(browser, test));
      return browser.send('/me');
    },
  ],
  [
    'theft, for the other party, at refresh',
    'token_theft_detected',
    async (browser, test) => {
      await send(`${test.url}/session/refresh`, await replayed(browser, test));
      return browser.post('/session/refresh');
    },
  ],
  [
    'revocation, at a guarded route',
    'session_revoked',
    async (browser, { sessions }) => {
      await sessions.logOut(await sessionOf(browser));
      return browser.send('/me');
    },
  ],
  [
    'revocation, at refresh',
    'session_revoked',
    async (browser, { sessions }) => {
      await sessions.logOut(await sessionOf(browser));
      return browser.post('/session/refresh');
    },
  ],
  [
    'expiry, at refresh',
    'session_expired',
    async (browser, test) => {
      await test.advance('31d');
      return browser.post('/session/refresh');
    },
  ],
  [
    'a row that is gone, at refresh',
    'session_expired',
    async (browser, { database }) => {
      await database.query('DELETE FROM jwt_session WHERE id = $1', [await sessionOf(browser)]);
      return browser.post('/session/refresh');
    },
  ],
  [
    'a refresh token that is none',
    'refresh_token_invalid',
    browser => {
      browser.cookies = browser.cookies.map(cookie =>
        cookie.name.endsWith('refresh_token') ? { ...cookie, value: 'none' } : cookie,
      );
      return browser.post('/session/refresh');
    },
  ],
];

const JARS: [what: string, cookies: CookieOptions][] = [
  ['default cookies', {}],
  ['cookies of a domain', { domain: 'example.com', sameSite: 'none', refreshPath: '/' }],
  ['insecure cookies', { secure: false, sameSite: 'strict', accessName: 'a', refreshName: 'refresh_token' }],
];

describe.each(PLATFORMS)('clearing cookies on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  describe.each(JARS)('%s', (_, cookies) => {
    let test: TestApp;
    beforeAll(async () => {
      test = await apps.start({ session: { cookies } });
    });

    it.each(WAYS)(
      'C06, scenario 14: %s clears both with the attributes they were set with',
      async (_way, code, end) => {
        const browser = new CookieJarClient(test.url);
        const set = (await browser.logIn('ada')).setCookie.map(parseCookie).map(identity);
        expect(browser.cookies.length).toBeGreaterThanOrEqual(2);
        const answer = await end(browser, test);
        expect(typeof code === 'number' ? answer.status : answer.body.errorCode).toBe(code);
        expect(browser.cookies).toEqual([]);
        const cleared = (answer as Awaited<ReturnType<CookieJarClient['send']>>).setCookie.map(parseCookie);
        expect(cleared.map(identity)).toEqual(set);
        expect(cleared.map(({ value }) => value)).toEqual(set.map(() => ''));
      },
    );
  });

  describe('cookies that have nothing to do with a refusal', () => {
    let test: TestApp;
    beforeAll(async () => {
      test = await apps.start();
    });

    const logIn = async () => {
      const browser = new CookieJarClient(test.url);
      await browser.logIn('ada');
      return browser;
    };
    const revoked = async () => {
      const { accessToken, refreshToken, session } = await test.sessions.logIn('grace');
      await test.sessions.logOut(session.id);
      return { authorization: { authorization: `Bearer ${accessToken}` }, body: { refreshToken } };
    };

    it.each([
      ['an expired access token', '10m', 'access_token_expired'],
      ['an access token that is none', '0s', 'access_token_invalid'],
    ])('stay: %s only asks for a refresh', async (_, age, code) => {
      const browser = await logIn();
      await test.clock.advance(age);
      const [access, ...others] = browser.cookies;
      if (age === '0s') browser.cookies = [{ ...access!, value: 'none' }, ...others];
      const answer = await browser.send('/me');
      expect(answer.body.errorCode).toBe(code);
      expect(answer.setCookie).toEqual([]);
      expect((await browser.post('/session/refresh')).status).toBe(200);
    });

    it('stay where the refused access token came by Authorization', async () => {
      const browser = await logIn();
      const answer = await browser.send('/me', { headers: (await revoked()).authorization });
      expect(answer.body.errorCode).toBe('session_revoked');
      expect(answer.setCookie).toEqual([]);
    });

    it('stay where the refused refresh token came in the body', async () => {
      const browser = await logIn();
      const { body } = await revoked();
      browser.cookies = browser.cookies.slice(0, 1);
      const answer = await browser.post('/session/refresh', body);
      expect(answer.body.errorCode).toBe('session_revoked');
      expect(answer.setCookie).toEqual([]);
    });

    it('stay where the session of Authorization logs out, everywhere or as a device', async () => {
      const browser = await logIn();
      for (const path of ['/session/logout', '/session/logout-all']) {
        const { accessToken } = await test.sessions.logIn('grace');
        const headers = { authorization: `Bearer ${accessToken}` };
        expect((await browser.send(path, { method: 'POST', headers })).setCookie).toEqual([]);
        expect((await browser.send('/me', { headers })).body.errorCode).toBe('session_revoked');
      }
      const { accessToken, session } = await test.sessions.logIn('grace');
      const headers = { authorization: `Bearer ${accessToken}` };
      const deleted = await browser.send(`/session/devices/${session.id}`, { method: 'DELETE', headers });
      expect([deleted.status, deleted.setCookie]).toEqual([204, []]);
      expect((await browser.send('/me')).body.userId).toBe('ada');
    });

    it('stay where a new login has replaced the session: late answers would clear the cookies of the new one', async () => {
      const browser = await logIn();
      const late = browser.copyAt(test.url);
      await browser.logIn('ada');
      // The access token asks for a refresh, as the cookies may be new by then; the refresh says that this is the end.
      const [access, refresh] = [
        await late.sendOnly('/me'),
        await late.sendOnly('/session/refresh', { method: 'POST' }),
      ];
      expect(access).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' }, setCookie: [] });
      expect(refresh).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' }, setCookie: [] });
      browser.keep(access);
      browser.keep(refresh);
      expect((await browser.post('/session/refresh')).status).toBe(200);

      // A browser that has lost the answer of the new login is not stuck: its next login counts, and sets other cookies.
      await late.logIn('ada');
      expect((await late.send('/me')).status).toBe(200);
    });

    it('stay where another device is ended', async () => {
      const browser = await logIn();
      const other = await test.sessions.logIn('ada');
      const ended = await browser.send(`/session/devices/${other.session.id}`, { method: 'DELETE' });
      const others = await browser.post('/session/logout-others');
      expect([ended.status, ended.setCookie, others.status, others.setCookie]).toEqual([204, [], 200, []]);
      expect((await browser.send('/me')).status).toBe(200);
    });
  });
});
