import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerClient } from '../support/bearer-client.js';
import { ACCESS_COOKIE, CookieClient, send } from '../support/client.js';
import type { Issued } from '../support/raw-cookies.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const APPS = [
  'capacitor://localhost',
  'ionic://localhost',
  'tauri://localhost',
  'app://example',
  'app://.',
  'chrome-extension://gighmmpiobklfepjocnamgkkbiglidom',
  'safari-web-extension://1C2D3E4F-0000-4000-8000-000000000001',
];

/** What the engines of these applications send along. */
const ENGINES: [engine: string, metadata: Record<string, string>][] = [
  ['with Fetch Metadata', { 'sec-fetch-site': 'cross-site' }],
  ['without Fetch Metadata', {}],
];

const FOREIGN = [...APPS, 'https://foreign.example', 'null'];

describe.each(PLATFORMS)('X01: origins of applications on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({ session: { trustedOrigins: APPS } });
  });
  afterAll(() => apps?.close());

  const post = (path: string, headers: Record<string, string>, body?: unknown, { url } = test) =>
    send(`${url}${path}`, { method: 'POST', headers, body });
  const logIn = (headers: Record<string, string>) =>
    post('/login', { 'session-transport': 'bearer', ...headers }, { userId: 'ada' });
  const isLive = async (id: string) => (await test.sessions.get(id)) !== null;

  describe.each(ENGINES)('%s', (_, metadata) => {
    it.each(APPS)('F21: %s logs in, refreshes and logs out with bearer tokens', async origin => {
      const page = { origin, ...metadata };
      const login = await logIn(page);
      expect([login.status, login.setCookie]).toEqual([200, []]);
      const { refreshToken, session } = login.body as unknown as Issued;
      await apps.clock.advance('11m');
      const refresh = await post('/session/refresh', page, { refreshToken });
      expect([refresh.status, refresh.setCookie]).toEqual([200, []]);
      const authorization = `Bearer ${refresh.body.accessToken}`;
      expect((await post('/act', { ...page, authorization })).body.userId).toBe('ada');
      expect((await post('/session/logout', page, refresh.body)).status).toBe(204);
      expect(await isLive(session.id)).toBe(false);
    });
  });

  it('with cookies the origin of a trusted application counts like that of a page', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const act = (origin: string) =>
      client.sendOnly('/act', { method: 'POST', headers: { origin, 'sec-fetch-site': 'cross-site' } });
    expect((await act('capacitor://localhost')).status).toBe(200);
    for (const origin of [
      'capacitor://localhost.evil',
      'capacitor://LOCALHOST',
      'Capacitor://localhost',
      'evil://localhost',
    ]) {
      expect([origin, (await act(origin)).body.errorCode]).toEqual([origin, 'csrf_rejected']);
    }
  });

  it('C02: F21: asking for bearer helps neither an application that is not trusted, nor a website that is', async () => {
    const { url } = await apps.start({ session: { trustedOrigins: ['https://page.example'] } });
    const ask = (origin: string) =>
      post('/login', { 'session-transport': 'bearer', origin }, { userId: 'ada' }, { ...test, url });
    expect((await ask('capacitor://localhost')).body.errorCode).toBe('csrf_rejected');
    const page = await ask('https://page.example');
    expect([page.status, page.setCookie.length, page.body.accessToken]).toEqual([200, 3, undefined]);
  });

  it('C02: an application with cookies of ours gets cookies', async () => {
    const answer = await logIn({ origin: 'ionic://localhost', cookie: `${ACCESS_COOKIE}=x` });
    expect([answer.setCookie.length, answer.body.accessToken]).toEqual([3, undefined]);
  });

  describe('no cookie is involved', () => {
    let plain: TestApp;
    beforeAll(async () => {
      plain = await apps.start();
    });

    it.each(FOREIGN)('X04: the origin %s does not matter for tokens in body and header', async origin => {
      const page = { origin, 'sec-fetch-site': 'cross-site' };
      const { refreshToken, session } = (await plain.sessions.logIn('ada')) as Issued;
      const refresh = await post('/session/refresh', page, { refreshToken }, plain);
      expect([refresh.status, refresh.setCookie]).toEqual([200, []]);
      const logOut = await post('/session/logout', page, { refreshToken }, plain);
      expect([logOut.status, logOut.setCookie]).toEqual([204, []]);
      expect(await isLive(session.id)).toBe(false);
      const client = new BearerClient(plain.url);
      await client.logIn('ada');
      expect((await client.send('/session/logout', { method: 'POST', headers: page })).status).toBe(204);
    });

    it("a token in the body of another site's form neither ends the session of a cookie nor clears it", async () => {
      const client = new CookieClient(test.url);
      await client.logIn('ada');
      const { refreshToken } = (await test.sessions.logIn('grace')) as Issued;
      const page = { origin: 'https://foreign.example', 'sec-fetch-site': 'cross-site' };
      for (const body of [{ refreshToken }, { refreshToken: 'junk' }]) {
        // SameSite keeps the cookies back; the answer may set some all the same.
        const bare = await post('/session/logout', page, body);
        expect([bare.status, bare.setCookie]).toEqual([204, []]);
        // A browser without SameSite, or cookies of which `sameSite: 'none'` was wanted.
        const answer = await client.send('/session/logout', { method: 'POST', headers: page, body });
        expect([answer.status, answer.body.errorCode, answer.setCookie]).toEqual([403, 'csrf_rejected', []]);
        const cookie = `${ACCESS_COOKIE}=${client.accessToken}`;
        const access = await post('/session/logout', { ...page, cookie }, body);
        expect([access.status, access.setCookie]).toEqual([403, []]);
      }
      expect((await client.send('/me')).status).toBe(200);
    });
  });

  it('the opaque origin of a form is refused with the policy that causes it, and what to write', async () => {
    const answer = await post('/login', { origin: 'null' }, { userId: 'ada' });
    expect([answer.status, answer.body.errorCode]).toEqual([403, 'csrf_rejected']);
    expect(answer.body.message).toMatch(
      /"Origin: null".*"Referrer-Policy: no-referrer": write "Referrer-Policy: same-origin"/,
    );
  });
});
