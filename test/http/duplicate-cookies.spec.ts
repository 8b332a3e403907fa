import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { SessionExchange } from 'nestjs-jwt-session';
import { parseCookie } from '../support/cookie-jar-client.js';
import { ACCESS_COOKIE, REFRESH_COOKIE, send } from '../support/client.js';
import { cookieHeader, type Issued, postWithCookies } from '../support/raw-cookies.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const ORDERS = [
  ['first', (own: string, planted: string) => [own, planted]],
  ['last', (own: string, planted: string) => [planted, own]],
] as const;

/** The `Set-Cookie` headers of a POST; `fetch` sets no `Host`. */
async function setCookieOf(url: string, headers: Record<string, string>): Promise<string[]> {
  const sent = request(url, { method: 'POST', headers });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  expect(answer.statusCode).toBe(200);
  return answer.headers['set-cookie'] ?? [];
}

// A sibling domain can plant a cookie for the whole domain; it goes along with the site's own of the same name.
describe.each(PLATFORMS)('several cookies of one name on %s', platform => {
  let test: TestApp;
  let own: Issued;
  let planted: Issued;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  const logIn = async (userId: string) => (await test.sessions.logIn(userId)) as Issued;
  const post = (path: string, access: readonly string[], refresh: readonly string[], marked?: string) =>
    postWithCookies(`${test.url}${path}`, access, refresh, undefined, marked);
  const isLive = async ({ session }: Issued) => (await test.sessions.get(session.id)) !== null;

  describe.each(ORDERS)("C07: the client's own comes %s", (_, both) => {
    beforeAll(async () => {
      [own, planted] = [await logIn('ada'), await logIn('grace')];
    });
    const refreshCookies = () => both(own.refreshToken, planted.refreshToken);

    it.each(['0s', '11m'])('the one of the marker cookie counts, %s after login', async age => {
      const session = await logIn('ada');
      await test.clock.advance(age);
      const cookies = both(session.refreshToken, planted.refreshToken);
      const answer = await post('/session/refresh', [session.accessToken], cookies, session.refreshToken);
      expect(answer.status).toBe(200);
      const access = answer.setCookie.map(parseCookie).find(({ name }) => name === ACCESS_COOKIE)!;
      const me = await send(`${test.url}/me`, { headers: { cookie: cookieHeader([access.value], []) } });
      expect(me.body.userId).toBe('ada');
    });

    it.each([
      ['no access cookie', (): string[] => []],
      ['an access cookie that is none', () => ['none']],
      ['an access cookie with another signature', () => [own.accessToken.replace(/\.[^.]+$/, '.AAAA')]],
      ['the access cookie of a third session', async () => [(await logIn('ada')).accessToken]],
      ['two access cookies', () => both(own.accessToken, planted.accessToken)],
    ])('with %s none counts, and nothing ends', async (__, access) => {
      const answer = await post('/session/refresh', await access(), refreshCookies());
      expect([answer.status, answer.body.errorCode]).toEqual([401, 'refresh_token_invalid']);
      expect([await isLive(own), await isLive(planted)]).toEqual([true, true]);
    });

    it('a refresh reads the header once', async () => {
      const session = await logIn('ada');
      const header = cookieHeader([], both(session.refreshToken, planted.refreshToken), session.refreshToken);
      let readings = 0;
      const headers = {
        'sec-fetch-site': 'same-origin',
        get cookie() {
          readings++;
          return header;
        },
      };
      await test.sessions.refresh(new SessionExchange({ method: 'POST', url: '/session/refresh', headers }));
      expect(readings).toBe(1);
    });

    it('junk does not take the place of the own one', async () => {
      const session = await logIn('ada');
      const cookies = both(session.refreshToken, 'junk');
      expect((await post('/session/refresh', [session.accessToken], cookies, session.refreshToken)).status).toBe(200);
      expect((await post('/session/refresh', [], cookies)).body.errorCode).toBe('refresh_token_invalid');
    });

    it('of two tokens of the own session the newer one counts, and the cookies of other paths and domains are expired', async () => {
      const session = await logIn('ada');
      await test.clock.advance('11m');
      const { refreshToken } = (await test.sessions.refresh({ refreshToken: session.refreshToken })) as Issued;
      await test.clock.advance('11m');
      const answer = await post('/session/refresh', [], both(session.refreshToken, refreshToken), refreshToken);
      expect(answer.status).toBe(200);
      const refreshes = answer.setCookie.map(parseCookie).filter(({ name }) => name === REFRESH_COOKIE);
      const expired = refreshes.map(({ value, attributes }) => [value !== '', attributes.Path]);
      expect(expired.pop()).toEqual([true, '/session']);
      expect(expired).toEqual([
        [false, '/'],
        [false, '/session/refresh'],
      ]);
      expect(await isLive(session)).toBe(true);
    });

    it('a jar that takes host-only cookies and those of the same domain for one keeps the new one', async () => {
      const session = await logIn('ada');
      await test.clock.advance('11m');
      const { refreshToken } = (await test.sessions.refresh({ refreshToken: session.refreshToken })) as Issued;
      await test.clock.advance('11m');
      const cookie = cookieHeader([], both(session.refreshToken, refreshToken), refreshToken);
      const setCookie = await setCookieOf(`${test.url}/session/refresh`, { cookie, host: 'app.example.test' });
      // RFC 6265, section 5.3: name, domain and path tell cookies apart.
      const jar = new Map<string, string>();
      for (const { name, value, attributes } of setCookie.map(parseCookie)) {
        const key = [name, attributes.Domain ?? 'app.example.test', attributes.Path].join();
        if (value === '') jar.delete(key);
        else jar.set(key, value);
      }
      expect([...jar.keys()]).toContain(`${REFRESH_COOKIE},app.example.test,/session`);
      const domains = setCookie.map(text => parseCookie(text).attributes.Domain);
      expect(new Set(domains)).toEqual(new Set([undefined, 'app.example.test', 'example.test']));
    });

    it('one that is planted in a browser that has none, or another session, does not count', async () => {
      const session = await logIn('ada');
      for (const [access, marked] of [
        [[], undefined],
        [[session.accessToken], session.refreshToken],
      ] as const) {
        const cookie = cookieHeader(access, [planted.refreshToken], marked ?? 'none');
        const answer = await send(`${test.url}/session/refresh`, { method: 'POST', headers: { cookie } });
        expect([answer.status, answer.body.errorCode]).toEqual([401, 'refresh_token_invalid']);
        expect((await send(`${test.url}/session/logout`, { method: 'POST', headers: { cookie } })).status).toBe(204);
        expect(await isLive(planted)).toBe(true);
      }
      expect(await isLive(session)).toBe(false);
    });

    it('a guarded route takes none of several access tokens', async () => {
      const cookie = cookieHeader(both(own.accessToken, planted.accessToken), []);
      const answer = await send(`${test.url}/me`, { headers: { cookie } });
      expect([answer.status, answer.body.errorCode]).toEqual([401, 'access_token_invalid']);
      expect(answer.setCookie).toEqual([]);
    });

    it('log-out ends the own session and leaves the planted one alone', async () => {
      const [mine, theirs] = [await logIn('ada'), await logIn('grace')];
      const cookies = both(mine.refreshToken, theirs.refreshToken);
      expect((await post('/session/logout', [mine.accessToken], cookies)).status).toBe(204);
      expect([await isLive(mine), await isLive(theirs)]).toEqual([false, true]);
    });

    it('log-out ends neither where nothing tells them apart', async () => {
      const [mine, theirs] = [await logIn('ada'), await logIn('grace')];
      expect((await post('/session/logout', [], both(mine.refreshToken, theirs.refreshToken))).status).toBe(204);
      expect([await isLive(mine), await isLive(theirs)]).toEqual([true, true]);
    });
  });

  it('C07: the same cookie twice is one cookie', async () => {
    const { accessToken, refreshToken } = await logIn('ada');
    expect((await post('/session/refresh', [], [refreshToken, refreshToken])).status).toBe(200);
    const cookie = cookieHeader([accessToken, accessToken], []);
    expect((await send(`${test.url}/me`, { headers: { cookie } })).status).toBe(200);
  });

  it('C07: a cookie whose name only ends like ours is another one', async () => {
    const { accessToken } = await logIn('ada');
    const cookie = `x${ACCESS_COOKIE}=junk; ${ACCESS_COOKIE}x=junk; ${ACCESS_COOKIE}=${accessToken}; x="${ACCESS_COOKIE}=y"`;
    expect((await send(`${test.url}/me`, { headers: { cookie } })).status).toBe(200);
  });
});
