import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieJarClient, parseCookie } from '../support/cookie-jar-client.js';
import { send } from '../support/client.js';
import { cookieHeader, type Issued } from '../support/raw-cookies.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const flip = (text: string, at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);

describe.each(PLATFORMS)('scenario 21: log-out on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  const issue = async (userId = 'ada') => (await test.sessions.logIn(userId)) as Issued;
  const isLive = async ({ session }: Issued) => (await test.sessions.get(session.id)) !== null;
  const logOut = (headers: Record<string, string>, body?: unknown) =>
    send(`${test.url}/session/logout`, { method: 'POST', headers, body });
  const withCookies = (access: readonly string[], refresh: readonly string[], body?: unknown) =>
    logOut({ cookie: cookieHeader(access, refresh) }, body);

  it('S08: ends the session of the browser, for both of its tokens', async () => {
    const browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
    const cookie = browser.cookieHeader('/session');
    expect((await browser.post('/session/logout')).status).toBe(204);
    const me = await send(`${test.url}/me`, { headers: { cookie } });
    const refresh = await send(`${test.url}/session/refresh`, { method: 'POST', headers: { cookie } });
    expect([me.body.errorCode, refresh.body.errorCode]).toEqual(['session_revoked', 'session_revoked']);
  });

  it('is 204 without a session, and clears the cookies in any case', async () => {
    for (const cookies of [[], ['junk'], [(await issue()).refreshToken]]) {
      const answer = await withCookies([], cookies);
      expect(answer.status).toBe(204);
      expect(answer.setCookie.map(header => parseCookie(header).attributes['Max-Age'])).toEqual(['0', '0', '0']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('scenario 15: twice changes nothing, and the old token cannot log out a new login', async () => {
    const browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
    const cookie = browser.cookieHeader('/session');
    await browser.post('/session/logout');
    await browser.logIn('ada');
    expect((await logOut({ cookie })).status).toBe(204);
    expect((await browser.send('/me')).status).toBe(200);
  });

  it('finds the session by the refresh token, be it rotated long ago', async () => {
    const session = await issue();
    await test.clock.advance('11m');
    const { refreshToken } = await test.sessions.refresh({ refreshToken: session.refreshToken });
    await test.clock.advance('11m');
    await test.sessions.refresh({ refreshToken: refreshToken! });
    await withCookies([], [session.refreshToken]);
    expect(await isLive(session)).toBe(false);
  });

  it.each(['0s', '11m'])('else by an access token, %s old', async age => {
    const [byCookie, byAuthorization, beside] = [await issue(), await issue(), await issue()];
    await test.clock.advance(age);
    await withCookies([byCookie.accessToken], []);
    await logOut({ authorization: `Bearer ${byAuthorization.accessToken}` });
    await withCookies([beside.accessToken], ['junk']);
    expect(await Promise.all([byCookie, byAuthorization, beside].map(isLive))).toEqual([false, false, false]);
  });

  it('by the refresh token in the body of a client without cookies', async () => {
    const [alone, beside] = [await issue(), await issue()];
    await logOut({}, { refreshToken: alone.refreshToken });
    await logOut({ authorization: `Bearer ${beside.accessToken}` }, { refreshToken: beside.refreshToken });
    expect([await isLive(alone), await isLive(beside)]).toEqual([false, false]);
  });

  it('the refresh token decides where another user’s access token comes with it', async () => {
    const [ada, grace] = [await issue('ada'), await issue('grace')];
    await withCookies([grace.accessToken], [ada.refreshToken]);
    expect([await isLive(ada), await isLive(grace)]).toEqual([false, true]);
  });

  it('the cookie wins over the body', async () => {
    const [ada, grace] = [await issue('ada'), await issue('grace')];
    await withCookies([], [ada.refreshToken], { refreshToken: grace.refreshToken });
    expect([await isLive(ada), await isLive(grace)]).toEqual([false, true]);
  });

  it('tampered tokens end nothing', async () => {
    const session = await issue();
    for (const at of [5, 40, 91]) {
      expect((await withCookies([], [flip(session.refreshToken, at)])).status).toBe(204);
    }
    const { accessToken } = session;
    for (const at of [accessToken.indexOf('.') + 30, accessToken.lastIndexOf('.') + 10]) {
      expect((await withCookies([flip(accessToken, at)], [])).status).toBe(204);
      expect((await logOut({ authorization: `Bearer ${flip(accessToken, at)}` })).status).toBe(204);
    }
    expect(await isLive(session)).toBe(true);
  });

  it('X04: junk in Authorization counts alone: neither the cookies’ session ends nor do they go', async () => {
    const session = await issue();
    const cookie = cookieHeader([session.accessToken], [session.refreshToken]);
    const answer = await logOut({ authorization: 'Bearer junk', cookie });
    expect([answer.status, answer.setCookie, await isLive(session)]).toEqual([204, [], true]);
  });

  it('C08: tokens in the URL end nothing', async () => {
    const session = await issue();
    const query = `refreshToken=${session.refreshToken}&access_token=${session.accessToken}`;
    expect((await send(`${test.url}/session/logout?${query}`, { method: 'POST' })).status).toBe(204);
    expect(await isLive(session)).toBe(true);
  });
});
