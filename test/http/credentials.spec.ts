import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, send } from '../support/client.js';
import { cookieHeader, type Issued, postWithCookies } from '../support/raw-cookies.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const BEARER_ANSWER = ['accessToken', 'expiresAt', 'expiresIn', 'refreshToken', 'tokenType'];
const COOKIE_ANSWER = ['expiresAt', 'expiresIn'];

const codeOf = ({ status, body }: Answer) => [status, body.errorCode];
const membersOf = ({ body }: Answer) => Object.keys(body).sort();

describe.each(PLATFORMS)('credentials on %s', platform => {
  let apps: TestApps;
  let both: TestApp;
  let ada: Issued;
  let grace: Issued;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    both = await apps.start();
    [ada, grace] = await Promise.all(['ada', 'grace'].map(user => both.sessions.logIn(user) as Promise<Issued>));
  });
  afterAll(() => apps?.close());

  const me = (headers: Record<string, string>, { url } = both) => send(`${url}/me`, { headers });
  const refresh = (cookies: readonly string[], body?: unknown, { url } = both) =>
    postWithCookies(`${url}/session/refresh`, [], cookies, body);
  const cookie = () => cookieHeader([ada.accessToken], []);

  describe('at a guarded route', () => {
    it.each(['Bearer', 'bearer', 'BEARER'])('takes "%s" as RFC 9110 has it, in any case', async scheme => {
      expect((await me({ authorization: `${scheme} ${ada.accessToken}` })).body.userId).toBe('ada');
    });

    it.each([
      ['junk', 'Bearer junk', 'access_token_invalid'],
      ['an empty token', 'Bearer ', 'access_token_invalid'],
      ['another scheme', 'Basic YWRhOmxvdmVsYWNl', 'session_missing'],
      ['no scheme', 'junk', 'session_missing'],
    ])('X04: %s in Authorization counts alone beside a good cookie', async (_, authorization, code) => {
      expect(codeOf(await me({ authorization, cookie: cookie() }))).toEqual([401, code]);
    });

    it('takes the session of Authorization where the cookie tells another', async () => {
      const authorization = `Bearer ${grace.accessToken}`;
      expect((await me({ authorization, cookie: cookie() })).body.userId).toBe('grace');
    });

    it.each(['token', 'access_token', 'accessToken', 'jwt'])('C08: ignores a token in the URL (?%s=)', async name => {
      expect(codeOf(await send(`${both.url}/me?${name}=${ada.accessToken}`))).toEqual([401, 'session_missing']);
    });

    it('C08: ignores an access token in the body', async () => {
      const body = { access_token: ada.accessToken, accessToken: ada.accessToken };
      expect(codeOf(await send(`${both.url}/act`, { method: 'POST', body }))).toEqual([401, 'session_missing']);
    });

    it('R06, scenario 27: a refresh token is no access token, by cookie or by Authorization', async () => {
      const { refreshToken } = ada;
      expect(codeOf(await me({ authorization: `Bearer ${refreshToken}` }))).toEqual([401, 'access_token_invalid']);
      expect(codeOf(await me({ cookie: cookieHeader([refreshToken], []) }))).toEqual([401, 'access_token_invalid']);
      expect(codeOf(await me({ cookie: cookieHeader([], [refreshToken]) }))).toEqual([401, 'session_missing']);
    });
  });

  describe('at refresh', () => {
    it('R06, scenario 27: an access token is no refresh token, by cookie or in the body', async () => {
      const { accessToken: token } = ada;
      expect(codeOf(await refresh([token]))).toEqual([401, 'refresh_token_invalid']);
      expect(codeOf(await refresh([], { refreshToken: token }))).toEqual([401, 'refresh_token_invalid']);
      const headers = { authorization: `Bearer ${token}` };
      const answer = await send(`${both.url}/session/refresh`, { method: 'POST', headers });
      expect(codeOf(answer)).toEqual([401, 'session_missing']);
      expect(codeOf(await postWithCookies(`${both.url}/session/refresh`, [token], []))).toEqual([
        401,
        'session_missing',
      ]);
    });

    it('F21: answers in the form in which the token came', async () => {
      const byBody = await refresh([], { refreshToken: ada.refreshToken });
      expect(membersOf(byBody)).toEqual(BEARER_ANSWER);
      expect(byBody.body.tokenType).toBe('Bearer');
      expect(byBody.setCookie).toEqual([]);
      const byCookie = await refresh([ada.refreshToken]);
      expect(membersOf(byCookie)).toEqual(COOKIE_ANSWER);
      expect(byCookie.setCookie.length).toBeGreaterThan(0);
    });

    it('C02: no way of asking for bearer lifts the tokens of a cookie into the body', async () => {
      const cookies = cookieHeader([ada.accessToken], [ada.refreshToken]);
      const attempts: { headers?: Record<string, string>; body?: unknown; query?: string }[] = [
        { headers: { 'session-transport': 'bearer' } },
        { query: '?transport=bearer' },
        { body: { transport: 'bearer', 'session-transport': 'bearer' } },
        { body: { refreshToken: 'junk' } },
        { body: { refreshToken: ada.refreshToken }, headers: { 'session-transport': 'bearer' } },
        { headers: { authorization: 'Bearer junk', 'session-transport': 'bearer' } },
        { headers: { authorization: `Bearer ${ada.accessToken}`, 'session-transport': 'bearer' } },
      ];
      for (const { headers, body, query = '' } of attempts) {
        const answer = await send(`${both.url}/session/refresh${query}`, {
          method: 'POST',
          headers: { ...headers, cookie: cookies },
          body,
        });
        for (const member of ['accessToken', 'refreshToken']) expect(answer.body).not.toHaveProperty(member);
      }
    });

    it('the cookie wins over the body', async () => {
      const good = await refresh([ada.refreshToken], { refreshToken: 'junk' });
      expect([good.status, membersOf(good)]).toEqual([200, COOKIE_ANSWER]);
      const bad = await refresh(['junk'], { refreshToken: ada.refreshToken });
      expect(codeOf(bad)).toEqual([401, 'refresh_token_invalid']);
    });

    it('where Authorization is present, the cookie does not count', async () => {
      const headers = {
        authorization: `Bearer ${grace.accessToken}`,
        cookie: cookieHeader([ada.accessToken], [ada.refreshToken]),
      };
      const url = `${both.url}/session/refresh`;
      expect(codeOf(await send(url, { method: 'POST', headers }))).toEqual([401, 'session_missing']);
      const body = { refreshToken: grace.refreshToken };
      expect(membersOf(await send(url, { method: 'POST', headers, body }))).toEqual(BEARER_ANSWER);
    });

    it('C08: ignores a refresh token in the URL', async () => {
      const url = `${both.url}/session/refresh?refreshToken=${ada.refreshToken}&refresh_token=${ada.refreshToken}`;
      expect(codeOf(await send(url, { method: 'POST' }))).toEqual([401, 'session_missing']);
    });

    it.each([
      [{}, 'session_missing'],
      [{ refreshToken: null }, 'session_missing'],
      [{ refreshToken: '' }, 'refresh_token_invalid'],
      [{ refreshToken: 5 }, 'refresh_token_invalid'],
      [{ refreshToken: ['a'] }, 'refresh_token_invalid'],
      [{ refreshToken: { toString: 'a' } }, 'refresh_token_invalid'],
      [['refreshToken'], 'session_missing'],
    ])('scenario 17: refuses the body %j', async (body, code) => {
      expect(codeOf(await refresh([], body))).toEqual([401, code]);
    });
  });

  describe('F21: the transport option', () => {
    it('"cookie" knows neither Authorization nor the body', async () => {
      const app = await apps.start({ session: { transport: 'cookie' } });
      const authorization = `Bearer ${ada.accessToken}`;
      expect(codeOf(await me({ authorization }, app))).toEqual([401, 'session_missing']);
      expect((await me({ authorization: 'Bearer junk', cookie: cookie() }, app)).body.userId).toBe('ada');
      const body = { refreshToken: ada.refreshToken };
      expect(codeOf(await refresh([], body, app))).toEqual([401, 'session_missing']);
      expect((await refresh([ada.refreshToken], undefined, app)).status).toBe(200);
    });

    it('"bearer" knows no cookie, and sets and clears none', async () => {
      const app = await apps.start({ session: { transport: 'bearer' } });
      expect(codeOf(await me({ cookie: cookie() }, app))).toEqual([401, 'session_missing']);
      expect((await me({ authorization: `Bearer ${ada.accessToken}`, cookie: 'a=b' }, app)).body.userId).toBe('ada');
      expect(codeOf(await refresh([ada.refreshToken], undefined, app))).toEqual([401, 'session_missing']);
      const answer = await refresh(['junk'], { refreshToken: ada.refreshToken }, app);
      expect([membersOf(answer), answer.setCookie]).toEqual([BEARER_ANSWER, []]);
      const logout = await send(`${app.url}/session/logout`, { method: 'POST', headers: { cookie: cookie() } });
      expect([logout.status, logout.setCookie]).toEqual([204, []]);
      expect((await me({ cookie: cookie() })).status).toBe(200);
    });
  });
});
