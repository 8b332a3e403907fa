import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CookieOptions } from 'nestjs-jwt-session';
import { CookieJarClient, parseCookie } from '../support/cookie-jar-client.js';
import { PLATFORMS } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const THIRTY_DAYS = String(30 * 24 * 60 * 60);

type Named = { readonly name: string } & Record<string, unknown>;

const JAR: [what: string, cookies: CookieOptions, access: Named, refresh: Named][] = [
  [
    'by default',
    {},
    { name: '__Host-Http-access_token', Path: '/', Secure: true, SameSite: 'Lax' },
    { name: '__Secure-refresh_token', Path: '/session', Secure: true, SameSite: 'Strict' },
  ],
  [
    'without Secure',
    { secure: false },
    { name: 'access_token', Path: '/', SameSite: 'Lax' },
    { name: 'refresh_token', Path: '/session', SameSite: 'Strict' },
  ],
  [
    'with a domain',
    { domain: 'example.com' },
    { name: '__Secure-access_token', Path: '/', Domain: 'example.com', Secure: true, SameSite: 'Lax' },
    { name: '__Secure-refresh_token', Path: '/session', Domain: 'example.com', Secure: true, SameSite: 'Strict' },
  ],
  [
    'with one SameSite for both',
    { sameSite: 'none' },
    { name: '__Host-Http-access_token', Path: '/', Secure: true, SameSite: 'None' },
    { name: '__Secure-refresh_token', Path: '/session', Secure: true, SameSite: 'None' },
  ],
  [
    'with names and a path of their own',
    { accessName: 'sid', refreshName: 'rid', refreshPath: '/outer/session' },
    { name: '__Host-Http-sid', Path: '/', Secure: true, SameSite: 'Lax' },
    { name: '__Secure-rid', Path: '/outer/session', Secure: true, SameSite: 'Strict' },
  ],
];

const ages = (setCookie: readonly string[]) =>
  setCookie.map(header => Number(parseCookie(header).attributes['Max-Age']));

describe.each(PLATFORMS)('session cookies on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  it.each(JAR)('C01, C02, C03, F8: names and attributes %s', async (_, cookies, access, refresh) => {
    const { url } = await apps.start({ session: { cookies } });
    const login = await new CookieJarClient(url).logIn('ada');
    const set = login.setCookie.map(parseCookie).map(({ name, attributes }) => ({ name, ...attributes }));
    const always = { HttpOnly: true, 'Max-Age': THIRTY_DAYS };
    // Without __Host- a marker would prove nothing.
    const hasMarker = access.name.startsWith('__Host-Http-');
    expect(set).toEqual([
      { ...access, ...always },
      { ...refresh, ...always },
      ...(hasMarker ? [{ ...refresh, name: '__Host-Http-session_marker', Path: '/', ...always }] : []),
    ]);
    expect(login.headers.get('cache-control')).toBe('no-store');
  });

  it('C02: the body contains no token where cookies carry them', async () => {
    const { url } = await apps.start();
    const browser = new CookieJarClient(url);
    const login = await browser.logIn('ada');
    expect(Object.keys(login.body).sort()).toEqual(['expiresIn', 'session']);
    const tokens = () => [browser.valueOf('access_token'), browser.valueOf('refresh_token')];
    for (const token of tokens()) expect(JSON.stringify(login.body)).not.toContain(token);
    await apps.clock.advance('11m');
    const refresh = await browser.send('/session/refresh', {
      method: 'POST',
      headers: { 'session-transport': 'bearer' },
    });
    expect(Object.keys(refresh.body).sort()).toEqual(['expiresAt', 'expiresIn']);
    for (const token of tokens()) expect(JSON.stringify(refresh.body)).not.toContain(token);
  });

  it('lets both cookies live as long as the refresh token, up to the cap', async () => {
    const { url } = await apps.start({ session: { session: { idleLifetime: '2h', absoluteLifetime: '3h' } } });
    const browser = new CookieJarClient(url);
    expect(ages((await browser.logIn('ada')).setCookie)).toEqual([7_200, 7_200, 7_200]);
    await apps.clock.advance('1h');
    const slid = ages((await browser.post('/session/refresh')).setCookie);
    await apps.clock.advance('1h');
    const capped = ages((await browser.post('/session/refresh')).setCookie);
    // Some real time passes too.
    expect(slid).toEqual([expect.any(Number), slid[0], slid[0]]);
    expect(slid[0]).toBeGreaterThan(7_100);
    expect(capped).toEqual([expect.any(Number), capped[0], capped[0]]);
    expect(capped[0]).toBeGreaterThan(3_500);
    expect(capped[0]).toBeLessThanOrEqual(3_600);
  });

  it('writes the refresh cookie only where the token is another one than the client has', async () => {
    const { url } = await apps.start();
    const browser = new CookieJarClient(url);
    const refresh = async () =>
      (await browser.post('/session/refresh')).setCookie.map(header => parseCookie(header).name);
    await browser.logIn('ada');
    await apps.clock.advance('11m');
    const all = ['__Host-Http-access_token', '__Secure-refresh_token', '__Host-Http-session_marker'];
    expect(await refresh()).toEqual(all); // mint
    expect(await refresh()).toEqual(all.slice(0, 1)); // confirm
    expect(await refresh()).toEqual(all.slice(0, 1)); // unchanged
    await apps.clock.advance('1m');
    expect(await refresh()).toEqual(all); // mint
    await apps.clock.advance('1m');
    expect(await refresh()).toEqual(all); // confirm-and-mint
  });
});
