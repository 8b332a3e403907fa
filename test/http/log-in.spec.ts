import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TokenTransport } from 'nestjs-jwt-session';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { ACCESS_COOKIE, type Answer, send } from '../support/client.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { cookieHeader, type Issued } from '../support/raw-cookies.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const ASKS = { 'session-transport': 'bearer' };
const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' };

/** `both` and `bearer` and `cookie`: what a login with these headers and this option of `logIn` is answered with. */
const FORMS: [
  what: string,
  headers: Record<string, string>,
  option: TokenTransport | undefined,
  both: TokenTransport,
][] = [
  ['a script that asks for nothing', {}, undefined, 'cookie'],
  ['a script that asks for bearer', ASKS, undefined, 'bearer'],
  ['a script that asks for something else', { 'session-transport': 'cookie' }, undefined, 'cookie'],
  ['a page', SAME_ORIGIN, undefined, 'cookie'],
  ['a page that asks for bearer', { ...ASKS, ...SAME_ORIGIN }, undefined, 'cookie'],
  ['an address typed in, asking for bearer', { ...ASKS, 'sec-fetch-site': 'none' }, undefined, 'cookie'],
  ['an old browser that asks for bearer', { ...ASKS, origin: 'http://HOST' }, undefined, 'cookie'],
  [
    'a browser with a cookie of ours that asks for bearer',
    { ...ASKS, cookie: `${ACCESS_COOKIE}=x` },
    undefined,
    'cookie',
  ],
  [
    'a script behind a load balancer that asks for bearer',
    { ...ASKS, cookie: 'AWSALB=x; __cf_bm=y' },
    undefined,
    'bearer',
  ],
  ['a page for which the application wants bearer', SAME_ORIGIN, 'bearer', 'bearer'],
  ['a script for which the application wants cookies', ASKS, 'cookie', 'cookie'],
];

function formOf({ body, setCookie }: Answer): unknown[] {
  return [setCookie.length, 'accessToken' in body, 'refreshToken' in body, body.tokenType];
}

const EXPECTED = { cookie: [3, false, false, undefined], bearer: [0, true, true, 'Bearer'] };

const logIn = ({ url }: TestApp, headers: Record<string, string>, transport?: TokenTransport) => {
  const sent = Object.entries(headers).map(([name, value]) => [name, value.replace('HOST', new URL(url).host)]);
  const options = { method: 'POST', headers: Object.fromEntries(sent) as Record<string, string> };
  return send(`${url}/log-in-with`, { ...options, body: { userId: 'ada', transport } });
};

describe.each(PLATFORMS)('login on %s', platform => {
  let apps: TestApps;
  const modes = {} as Record<TokenTransport | 'both', TestApp>;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    for (const transport of ['both', 'cookie', 'bearer'] as const) {
      modes[transport] = await apps.start({ session: { transport }, controllers: [LogInWithController] });
    }
  });
  afterAll(() => apps?.close());

  const issue = async (userId = 'ada') => (await modes.both.sessions.logIn(userId)) as Issued;
  const withCookies = (access: readonly string[], refresh: readonly string[]) =>
    logIn(modes.both, { cookie: cookieHeader(access, refresh) });
  const isLive = async ({ session }: Issued) => (await modes.both.sessions.get(session.id)) !== null;

  it.each(FORMS)('F21: under "both" the tokens for %s come by %4$s', async (_, headers, option, form) => {
    const answer = await logIn(modes.both, headers, option);
    expect(answer.status).toBe(200);
    expect(formOf(answer)).toEqual(EXPECTED[form]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it.each([ASKS, SAME_ORIGIN, { ...ASKS, ...SAME_ORIGIN }])(
    'F21: one transport has one form, for %j too',
    async headers => {
      expect(formOf(await logIn(modes.cookie, headers))).toEqual(EXPECTED.cookie);
      expect(formOf(await logIn(modes.bearer, headers))).toEqual(EXPECTED.bearer);
    },
  );

  describe('F10: ends the session that came with it', () => {
    it('S02: a browser that logs in again has a new session, and the old tokens are dead', async () => {
      const browser = new CookieJarClient(modes.both.url);
      const first = await browser.logIn('ada');
      const old = browser.cookieHeader('/session');
      const second = await browser.logIn('ada', '/login');
      expect(second.body.session).not.toMatchObject({ id: (first.body.session as { id: string }).id });
      const me = await send(`${modes.both.url}/me`, { headers: { cookie: old } });
      const refresh = await send(`${modes.both.url}/session/refresh`, { method: 'POST', headers: { cookie: old } });
      expect([me.body.errorCode, refresh.body.errorCode]).toEqual(['access_token_invalid', 'session_revoked']);
      expect((await browser.send('/me')).body.userId).toBe('ada');
    });

    it('that of the refresh cookie, for any user who logs in', async () => {
      const session = await issue('grace');
      await withCookies([], [session.refreshToken]);
      expect(await isLive(session)).toBe(false);
    });

    it('else that of the access cookie, even an expired one', async () => {
      const session = await issue();
      await apps.clock.advance('11m');
      await withCookies([session.accessToken], ['junk']);
      expect(await isLive(session)).toBe(false);
    });

    it('that of the refresh cookie where the access cookie tells another', async () => {
      const [ada, grace] = [await issue('ada'), await issue('grace')];
      await withCookies([ada.accessToken], [grace.refreshToken]);
      expect([await isLive(ada), await isLive(grace)]).toEqual([true, false]);
    });

    it('that of the access cookie among several refresh cookies', async () => {
      const [own, planted] = [await issue('ada'), await issue('grace')];
      await withCookies([own.accessToken], [planted.refreshToken, own.refreshToken]);
      expect([await isLive(own), await isLive(planted)]).toEqual([false, true]);
    });

    it('S03: and adopts nothing that the client chose', async () => {
      const answer = await withCookies(['made-up'], ['made-up']);
      expect(answer.status).toBe(200);
      expect(answer.setCookie.join()).not.toContain('made-up');
    });

    it('nothing ends where a page of another site asks', async () => {
      const session = await issue();
      const cookie = cookieHeader([session.accessToken], [session.refreshToken]);
      const answer = await logIn(modes.both, { cookie, 'sec-fetch-site': 'cross-site' });
      expect([answer.status, answer.setCookie, await isLive(session)]).toEqual([403, [], true]);
    });
  });
});
