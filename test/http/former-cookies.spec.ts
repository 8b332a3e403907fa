import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { identity, parseCookie } from '../support/cookie-jar-client.js';
import { ACCESS_COOKIE, type Answer, CookieClient, MARKER_COOKIE, REFRESH_COOKIE, send } from '../support/client.js';
import { KeySetServer } from '../support/key-set-server.js';
import { PLATFORMS } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { startVerifier, type VerifierApp } from '../support/verifier-app.js';

const FORMER_ACCESS = '__Host-access_token';
const FORMER_MARKER = '__Host-session_marker';
const FORMER_NAMES = new Map([
  [ACCESS_COOKIE, FORMER_ACCESS],
  [MARKER_COOKIE, FORMER_MARKER],
]);

const expired = ({ setCookie }: Answer) =>
  setCookie
    .map(parseCookie)
    .filter(({ attributes }) => attributes['Max-Age'] === '0')
    .map(identity);
const set = ({ setCookie }: Answer) =>
  setCookie
    .map(parseCookie)
    .filter(({ value }) => value !== '')
    .map(({ name }) => name);

describe.each(PLATFORMS)('cookies under the names of before 1.0 on %s', platform => {
  let apps: TestApps;
  let url: string;
  let keySets: KeySetServer;
  let verifier: VerifierApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    const app = await apps.start();
    ({ url } = app);
    keySets = await KeySetServer.inFrontOf(app);
    verifier = await startVerifier(platform, SessionVerifierModule.forRoot({ jwksUri: keySets.jwksUri }), apps.clock);
  });
  afterAll(async () => {
    await verifier?.app.close();
    await keySets?.close();
    await apps?.close();
  });

  async function loggedIn(userId: string, at = url): Promise<CookieClient> {
    const client = new CookieClient(at);
    await client.logIn(userId);
    return client;
  }

  /** A browser that an earlier version has logged in. */
  async function former(userId: string): Promise<CookieClient> {
    const client = await loggedIn(userId);
    const cookies = [...client.jar];
    client.jar.clear();
    for (const [name, value] of cookies) client.jar.set(FORMER_NAMES.get(name) ?? name, value);
    return client;
  }

  const userOf = async (cookie: string, at = url) => {
    const { body } = await send(`${at}/me`, { headers: { cookie } });
    return body.userId ?? body.errorCode;
  };

  it('C09: they go on, and the first new token replaces them', async () => {
    const client = await former('ada');
    expect((await client.send('/me')).body.userId).toBe('ada');
    await apps.clock.advance('11m');
    const answer = await client.refresh();
    expect(answer.status).toBe(200);
    expect(set(answer)).toEqual([ACCESS_COOKIE, REFRESH_COOKIE, MARKER_COOKIE]);
    const attributes = { HttpOnly: true, Secure: true, Path: '/' };
    expect(expired(answer)).toEqual([
      { name: FORMER_ACCESS, ...attributes, SameSite: 'Lax' },
      { name: FORMER_MARKER, ...attributes, SameSite: 'Strict' },
    ]);
    expect([...client.jar.keys()].sort()).toEqual([ACCESS_COOKIE, MARKER_COOKIE, REFRESH_COOKIE].sort());
    expect(expired(await client.refresh())).toEqual([]);
  });

  it('C09: a login and a log-out expire them', async () => {
    const again = await former('ada');
    await again.logIn('ada');
    expect([...again.jar.keys()].sort()).toEqual([ACCESS_COOKIE, MARKER_COOKIE, REFRESH_COOKIE].sort());
    const leaving = await former('ada');
    expect((await leaving.send('/session/logout', { method: 'POST' })).status).toBe(204);
    expect([...leaving.jar.keys()]).toEqual([]);
  });

  it('C09: a planted one does not count beside one that scripts cannot plant, in any order', async () => {
    const [ada, mallory] = [await loggedIn('ada'), await loggedIn('mallory')];
    const [own, planted] = [`${ACCESS_COOKIE}=${ada.accessToken}`, `${FORMER_ACCESS}=${mallory.accessToken}`];
    expect(await userOf(`${own}; ${planted}`)).toBe('ada');
    expect(await userOf(`${planted}; ${own}`)).toBe('ada');
    expect(await userOf(`${ACCESS_COOKIE}=none; ${planted}`)).toBe('access_token_invalid');

    const cookies = [
      `${FORMER_MARKER}=${mallory.jar.get(MARKER_COOKIE)}`,
      `${REFRESH_COOKIE}=${mallory.refreshToken}`,
      `${MARKER_COOKIE}=${ada.jar.get(MARKER_COOKIE)}`,
    ];
    const refresh = await send(`${url}/session/refresh`, { method: 'POST', headers: { cookie: cookies.join('; ') } });
    expect([refresh.status, refresh.body.errorCode]).toEqual([401, 'refresh_token_invalid']);
  });

  it('C09: they do not count where cookies have no prefix of one host', async () => {
    for (const cookies of [{ domain: 'example.com' }, { secure: false }]) {
      const app = await apps.start({ session: { cookies } });
      const { accessToken } = await app.sessions.logIn('ada', { transport: 'bearer' });
      expect(await userOf(`${FORMER_ACCESS}=${accessToken}`, app.url)).toBe('session_missing');
    }
  });

  it('C09: services that verify tokens read both, and let the present one win', async () => {
    const [ada, mallory] = [await loggedIn('ada'), await loggedIn('mallory')];
    expect(await userOf(`${FORMER_ACCESS}=${ada.accessToken}`, verifier.url)).toBe('ada');
    const both = `${FORMER_ACCESS}=${mallory.accessToken}; ${ACCESS_COOKIE}=${ada.accessToken}`;
    expect(await userOf(both, verifier.url)).toBe('ada');
  });
});
