import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerClient } from '../support/bearer-client.js';
import { ACCESS_COOKIE, CookieClient, MARKER_COOKIE, REFRESH_COOKIE, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const REFRESH = ['/session/refresh', { method: 'POST' }] as const;
const refused = (errorCode: string) => ({ status: 401, body: { errorCode } });

const WEEK = 7 * 86_400_000;

const kidOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid;

describe.each(PLATFORMS)('logging in on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  async function logIn(userId = 'ada'): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    await client.logIn(userId);
    return client;
  }

  it('scenario 1: create, then verify: the same user, id and claims, no new token, one row', async () => {
    const client = new CookieClient(test.url);
    const claims = { role: 'admin', nested: { list: [1, 'two', null] } };
    const login = await client.logIn('scenario-1', claims);
    expect(login.status).toBe(200);
    const sessionId = (login.body.session as { id: string }).id;

    const answer = await client.send('/me');
    expect(answer).toMatchObject({ status: 200, setCookie: [] });
    expect(answer.body).toEqual({ userId: 'scenario-1', sessionId, claims });
    expect((await client.send('/session')).body).toMatchObject({ id: sessionId, userId: 'scenario-1', claims });
    const rows = await test.database.query("SELECT id FROM jwt_session WHERE user_id = 'scenario-1'");
    expect(rows).toEqual([{ id: sessionId }]);
  });

  it('scenario 5: create, expire, refresh, use, expire, refresh again', async () => {
    const client = new CookieClient(test.url);
    const login = await client.logIn('ada', { role: 'admin' });
    expect(login.status).toBe(200);
    expect((await client.send('/me')).body).toMatchObject({ userId: 'ada', claims: { role: 'admin' } });

    for (let round = 0; round < 2; round++) {
      const before = client.refreshToken;
      // One that comes later would begin the window, in which a refresh changes nothing.
      await test.confirmUses();
      await test.clock.advance('11m');
      expect((await client.send('/me')).body.errorCode).toBe('access_token_expired');
      expect((await client.refresh()).status).toBe(200);
      expect(client.refreshToken).not.toBe(before);
      expect((await client.send('/me')).status).toBe(200);
      expect((await client.send('/me')).status).toBe(200);
    }
  });

  it('scenario 14: the cookies are set with path and attributes', async () => {
    const { setCookie } = await new CookieClient(test.url).logIn('ada');
    const ageless = setCookie.map(cookie => cookie.replace(/=[^;]*/, '=').replace(/Max-Age=\d+/, 'Max-Age='));
    expect(ageless.sort()).toEqual([
      `${ACCESS_COOKIE}=; Max-Age=; Path=/; HttpOnly; Secure; SameSite=Lax`,
      `${MARKER_COOKIE}=; Max-Age=; Path=/; HttpOnly; Secure; SameSite=Strict`,
      `${REFRESH_COOKIE}=; Max-Age=; Path=/session; HttpOnly; Secure; SameSite=Strict`,
    ]);
  });

  it('S02: logging in again makes new tokens and ends the session that came with the request', async () => {
    const client = await logIn();
    const before = client.copy();
    await client.logIn('ada');

    expect(client.refreshToken).not.toBe(before.refreshToken);
    expect(client.accessToken).not.toBe(before.accessToken);
    // A late refusal clears no cookies, which may be the new ones already: a refresh uses those.
    expect(await before.sendOnly('/me')).toMatchObject({ ...refused('access_token_invalid'), setCookie: [] });
    expect(await before.sendOnly(...REFRESH)).toMatchObject({ ...refused('session_revoked'), setCookie: [] });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it('S02: as another user, with an access token that has expired, and with the access cookie alone', async () => {
    const client = await logIn();
    const before = client.copy();
    await test.advance('11m');
    await client.logIn('grace');
    expect(await before.sendOnly(...REFRESH)).toMatchObject(refused('session_revoked'));

    // The refresh cookie has a path of its own: at the login route browsers send the access cookie only.
    const likeABrowser = client.copy();
    likeABrowser.jar.delete(REFRESH_COOKIE);
    await likeABrowser.logIn('ada');
    expect(await client.sendOnly(...REFRESH)).toMatchObject(refused('session_revoked'));
    expect(await likeABrowser.refresh()).toMatchObject({ status: 200 });
  });

  it('S02: a refused login ends nothing', async () => {
    const client = await logIn();
    expect(await client.send('/login', { method: 'POST', body: { userId: '' } })).toMatchObject({ status: 400 });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it('S03: a session id or token of the client’s choice is never adopted', async () => {
    const invented = '01890000-0000-7000-8000-000000000000';
    const shape = Buffer.concat([Buffer.of(1), Buffer.from(invented.replaceAll('-', ''), 'hex'), Buffer.alloc(52, 7)]);
    const victim = await logIn('grace');
    for (const refreshCookie of [invented, shape.toString('base64url'), 'x']) {
      const attacked = new CookieClient(test.url);
      attacked.jar.set(REFRESH_COOKIE, refreshCookie).set(ACCESS_COOKIE, `${refreshCookie}.x.x`);
      const body = { userId: 'ada', sessionId: invented, id: invented, refreshToken: refreshCookie };
      const login = await attacked.send('/login', { method: 'POST', body });
      expect(login.status).toBe(200);
      expect((login.body.session as { id: string }).id).not.toBe(invented);
      expect(attacked.refreshToken).not.toBe(refreshCookie);
    }
    expect(await test.sessions.get(invented)).toBeNull();
    expect(await victim.send('/me')).toMatchObject({ status: 200 });
  });

  it('S03: a session of the attacker’s that was planted before the login is not the victim’s afterwards', async () => {
    const attacker = await logIn('grace');
    const victim = attacker.copy();
    await victim.logIn('ada');
    expect(await attacker.sendOnly('/me')).toMatchObject(refused('access_token_invalid'));
    expect(await attacker.sendOnly(...REFRESH)).toMatchObject(refused('session_revoked'));
    expect(await victim.send('/me')).toMatchObject({ body: { userId: 'ada' } });
  });

  it('scenario 15: two logins differ; without a session, or with that of a deleted user, routes are closed', async () => {
    const [one, two] = [await logIn(), await logIn()];
    expect(one.refreshToken).not.toBe(two.refreshToken);
    expect((await one.send('/me')).body.sessionId).not.toBe((await two.send('/me')).body.sessionId);

    for (const path of ['/me', '/session', '/session/devices']) {
      const answer = await send(`${test.url}${path}`);
      expect(answer).toMatchObject(refused('session_missing'));
      // RFC 6750, section 3: no error code where no credentials came.
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    // What an application does when it deletes or disables a user.
    await test.sessions.logOutAll('ada', { reason: 'user deleted' });
    for (const client of [one, two]) {
      expect(await client.sendOnly('/me')).toMatchObject(refused('session_revoked'));
      expect(await client.sendOnly(...REFRESH)).toMatchObject(refused('session_revoked'));
    }
  });

  it('scenario 12: signing keys change, access tokens verify until they expire, and nobody is logged out', async () => {
    const [client, bearer] = [await logIn(), new BearerClient(test.url)];
    await bearer.logIn('grace');
    const kids = new Set([kidOf(client.accessToken)]);
    for (let week = 0; week < 3; week++) {
      // Keys take over at multiples of their time.
      const untilChange = WEEK - (test.clock.now() % WEEK);
      await test.advance(`${Math.floor(untilChange - 240_000)}ms`);
      expect(await client.refresh()).toMatchObject({ status: 200 });
      const before = client.copy();
      await test.advance('8m');
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(kidOf(client.accessToken)).not.toBe(kidOf(before.accessToken));
      kids.add(kidOf(client.accessToken));
      expect(await before.sendOnly('/me')).toMatchObject({ status: 200 });
      expect(await client.send('/me')).toMatchObject({ status: 200 });
      await test.advance('2m');
      expect(await before.sendOnly('/me')).toMatchObject(refused('access_token_expired'));
    }
    expect(kids.size).toBe(4);
    expect(await bearer.refresh()).toMatchObject({ status: 200 });
    expect(await bearer.send('/me')).toMatchObject({ status: 200 });
  });
});
