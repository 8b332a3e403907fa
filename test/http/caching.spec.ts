import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CurrentSession,
  Exchange,
  OptionalSession,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { type Answer, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { SharedCache } from '../support/shared-cache.js';

@Controller()
class CachedController {
  constructor(private readonly sessions: SessionService) {}

  /** The application says that everybody may keep this, which overrides the library's word. */
  @Get('front-page')
  @Header('Cache-Control', 'public, max-age=60')
  @UseGuards(SessionGuard)
  @OptionalSession()
  frontPage(@CurrentSession() session: UserSession | undefined) {
    return { userId: session?.userId ?? 'nobody' };
  }

  @Get('callback/ada')
  logIn(@Exchange() exchange: SessionExchange) {
    return this.sessions.logIn('ada', { exchange, crossSite: true });
  }
}

const varyOf = ({ headers }: Answer) => (headers.get('vary') ?? '').split(', ');

describe.each(PLATFORMS)('caches on %s', platform => {
  let test: TestApp;
  let cache: SharedCache;
  const clients: Record<string, () => Promise<Record<string, string>>> = {
    cookies: async () => {
      const browser = new CookieJarClient(test.url);
      await browser.logIn('ada');
      return { cookie: browser.cookieHeader('/session') };
    },
    bearer: async () => ({ authorization: `Bearer ${(await test.sessions.logIn('ada')).accessToken}` }),
  };
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [CachedController] });
    cache = await SharedCache.inFrontOf(test.url);
  });
  afterAll(async () => {
    await cache?.close();
    await test?.close();
  });

  const get = (path: string, headers: Record<string, string> = {}) => send(cache.url + path, { headers });

  const post = (path: string, headers: Record<string, string> = {}) =>
    send(test.url + path, { method: 'POST', headers, body: { userId: 'ada' } });

  it('the cache of these tests does keep what it may', async () => {
    const keys = '/.well-known/jwks.json';
    const first = await get(keys);
    expect(first.headers.get('x-cache')).toBeNull();
    const again = await get(keys);
    expect(again.headers.get('x-cache')).toBe('hit');
    expect(again.body.keys).toContainEqual(expect.objectContaining({ kty: 'EC' }));
    expect(again.body).toEqual(first.body);
    expect((await get('/front-page')).body.userId).toBe('nobody');
    expect((await get('/front-page')).headers.get('x-cache')).toBe('hit');
  });

  describe.each(Object.keys(clients))('C05: who comes after a client with %s', kind => {
    it.each(['/me', '/session', '/session/devices', '/front-page'])('gets nothing of it from %s', async path => {
      const own = await clients[kind]!();
      const { sessions } = test;
      const grace = { authorization: `Bearer ${(await sessions.logIn('grace')).accessToken}` };
      const [first, graces, strangers] = [await get(path, own), await get(path, grace), await get(path)];
      const mine = JSON.stringify(first.body);
      expect(first.status).toBe(200);
      expect(graces.status).toBe(200);
      expect(JSON.stringify(graces.body)).not.toBe(mine);
      expect(strangers.headers.get('x-cache') === 'hit').toBe(path === '/front-page');
      expect(JSON.stringify(strangers.body)).not.toBe(mine);
      expect([first, graces, strangers].flatMap(({ setCookie }) => setCookie)).toEqual([]);
    });

    it('gets no answer of a session that has ended meanwhile', async () => {
      const own = await clients[kind]!();
      expect((await get('/me', own)).status).toBe(200);
      await test.sessions.logOutAll('ada');
      expect((await get('/me', own)).body.errorCode).toBe('session_revoked');
    });
  });

  it('C05: a login by link gives everybody a session of their own', async () => {
    const [one, two] = [await get('/callback/ada'), await get('/callback/ada')];
    expect(one.setCookie).toHaveLength(3);
    expect(two.setCookie).toHaveLength(3);
    expect(two.setCookie).not.toEqual(one.setCookie);
  });

  it('X05: Vary names what an answer depends on', async () => {
    const cookies = await clients.cookies!();
    for (const headers of [cookies, await clients.bearer!(), {}]) {
      expect(varyOf(await send(`${test.url}/me`, { headers }))).toEqual(['Authorization', 'Cookie']);
    }
    const checked = ['Authorization', 'Cookie', 'Origin', 'Sec-Fetch-Site'];
    expect(varyOf(await post('/act', cookies))).toEqual(checked);
    const evil = { ...cookies, 'sec-fetch-site': 'cross-site' };
    expect(varyOf(await post('/act', evil))).toEqual(checked);
    for (const path of ['/session/refresh', '/session/logout', '/login']) {
      expect(varyOf(await post(path, evil))).toEqual(expect.arrayContaining(['Origin', 'Sec-Fetch-Site']));
      expect(varyOf(await post(path))).toEqual(expect.arrayContaining(['Origin', 'Sec-Fetch-Site']));
    }
  });
});
