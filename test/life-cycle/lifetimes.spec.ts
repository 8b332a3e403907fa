import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, SECRET, startTestApp, type TestApp } from '../support/test-app.js';

const refused = (errorCode: string) => ({ status: 401, body: { errorCode } });

/** The `exp` of an access token, in milliseconds. */
function expiryOf(accessToken: string): number {
  const payload = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()) as { exp: number };
  return payload.exp * 1000;
}

describe.each(PLATFORMS)('lifetimes on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      platform,
      session: { session: { idleLifetime: '1h', absoluteLifetime: '3h' }, accessToken: { lifetime: '10m' } },
    });
  });
  afterAll(() => test?.close());

  async function logIn(): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    return client;
  }

  it('S04, scenario 6: an idle session ends on the server, though the cookies live', async () => {
    const client = await logIn();
    await test.advance('1h');
    await test.advance('1s');
    const answer = await client.sendOnly('/session/refresh', { method: 'POST' });
    expect(answer).toMatchObject(refused('session_expired'));
    client.keep(answer);
    expect(client.jar).toEqual(new Map());
    expect(await test.sessions.list('ada')).toEqual([]);
  });

  it('S04, scenario 6: refreshing slides the end of idleness', async () => {
    const client = await logIn();
    await test.advance('59m');
    expect(await client.refresh()).toMatchObject({ status: 200 });
    await test.advance('59m');
    expect(await client.refresh()).toMatchObject({ status: 200 });
    await test.advance('61m');
    expect(await client.refresh()).toMatchObject(refused('session_expired'));
  });

  it('scenario 4: an expired access token says refresh, not log in', async () => {
    const client = await logIn();
    await test.advance('10m');
    const answer = await client.send('/me');
    expect(answer).toMatchObject({ ...refused('access_token_expired'), setCookie: [] });
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/);
    expect(await client.refresh()).toMatchObject({ status: 200 });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
  });

  it('scenario 4: so do a tampered payload and an unknown key', async () => {
    const client = await logIn();
    const [header, , signature] = client.accessToken.split('.');
    const payload = Buffer.from(JSON.stringify({ sub: 'grace' })).toString('base64url');
    const alien = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: 'unknown' })).toString('base64url');
    for (const token of [`${header}.${payload}.${signature}`, `${alien}.${client.accessToken.split('.', 2)[1]}.AAAA`]) {
      const answer = await client.sendOnly('/me', { headers: { authorization: `Bearer ${token}` } });
      expect(answer).toMatchObject({ ...refused('access_token_invalid'), setCookie: [] });
    }
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it('S05, scenario 18: the absolute lifetime ends a session despite activity, and caps its tokens', async () => {
    const start = test.clock.now();
    const client = await logIn();
    for (let minutes = 0; minutes < 175; minutes += 35) {
      await test.advance('35m');
      expect(await client.refresh()).toMatchObject({ status: 200 });
    }
    // Five minutes are left: neither token, nor cookie, nor what the answer says goes beyond.
    const end = start + 3 * 3_600_000;
    expect(Math.abs(expiryOf(client.accessToken) - end)).toBeLessThan(30_000);
    await test.advance('31s');
    const answer = await client.refresh();
    expect(answer.body.expiresIn).toBeLessThan(300);
    expect(Math.abs(Date.parse(String(answer.body.expiresAt)) - end)).toBeLessThan(30_000);
    const ages = answer.setCookie.map(cookie => Number(/Max-Age=(\d+)/.exec(cookie)![1]));
    // Access token, refresh token and the marker of the session.
    expect(ages).toHaveLength(3);
    for (const age of ages) expect(age).toBeLessThan(300);
    expect((await client.send('/me')).status).toBe(200);

    await test.advance('5m');
    expect(await client.sendOnly('/me')).toMatchObject(refused('access_token_expired'));
    expect(await client.refresh()).toMatchObject(refused('session_expired'));
  });

  it('S06: activity resets idleness only, logging in again resets both', async () => {
    const client = await logIn();
    for (let minutes = 0; minutes < 150; minutes += 50) {
      await test.advance('50m');
      expect(await client.refresh()).toMatchObject({ status: 200 });
    }
    const again = client.copy();
    await again.logIn('ada');
    await test.advance('31m');
    // Three hours and a minute after the first login.
    expect(await again.refresh()).toMatchObject({ status: 200 });
    const untouched = await logIn();
    await test.advance('45m');
    expect(await untouched.refresh()).toMatchObject({ status: 200 });
  });
});

describe.each(PLATFORMS)('no absolute lifetime on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { session: { absoluteLifetime: 'none' } } });
  });
  afterAll(() => test?.close());

  it("scenario 18: with 'none' activity keeps a session alive for years", async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    for (let days = 0; days < 800; days += 29) {
      await test.advance('29d');
      expect(await client.refresh()).toMatchObject({ status: 200 });
    }
    expect(await client.send('/me')).toMatchObject({ status: 200, body: { userId: 'ada' } });
    await test.advance('30d');
    expect(await client.refresh()).toMatchObject(refused('session_expired'));
  });
});

describe('bad lifetimes', () => {
  it.each([
    { absoluteLifetime: 'forever' },
    { absoluteLifetime: '1d', idleLifetime: '2d' },
    { absoluteLifetime: '' },
    { idleLifetime: 'none' },
  ])('scenario 18: %j is refused, by name', session => {
    expect(() => resolveOptions({ secret: SECRET, session }, {})).toThrow(/session\.(absolute|idle)Lifetime/);
  });
});

describe('clean-up', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ session: { session: { idleLifetime: '1h', absoluteLifetime: '30d' } } });
  });
  afterAll(() => test?.close());

  const ids = async () =>
    (await test.database.query<{ id: string }>('SELECT id FROM jwt_session')).map(({ id }) => id).sort();

  it('scenarios 11 and 22: removes what ended more than a day ago, keeps the rest; a dry run only counts', async () => {
    const logIn = async () => (await test.sessions.logIn('ada')).session.id;
    await logIn();
    const revoked = await logIn();
    await test.sessions.logOut(revoked);
    await test.advance('23h');
    // Expired for 22 hours, revoked for 23: their late tokens are still told why they are refused.
    expect(await test.sessions.cleanUp()).toMatchObject({ sessions: 0 });
    const endedToday = await logIn();
    await test.sessions.logOut(endedToday);
    await test.advance('3h');
    const live = await logIn();

    const before = await ids();
    expect(before).toHaveLength(4);
    expect(await test.sessions.cleanUp({ dryRun: true })).toMatchObject({ sessions: 2 });
    expect(await ids()).toEqual(before);
    expect(await test.sessions.cleanUp()).toMatchObject({ sessions: 2 });
    expect(await ids()).toEqual([endedToday, live].sort());
    expect(await test.sessions.cleanUp()).toEqual({ sessions: 0, devices: 0, keys: 0 });
    expect(await test.sessions.get(live)).not.toBeNull();
  });

  it('scenario 11: a session that is refreshed is kept for as long as it lives', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('grace');
    for (let half = 0; half < 60; half++) {
      await test.advance('50m');
      await client.refresh();
      if (half % 15 === 0) await test.sessions.cleanUp();
    }
    expect(await client.send('/me')).toMatchObject({ status: 200 });
  });

  it('scenario 22: walks through more than one batch', async () => {
    await test.database.query(`
      INSERT INTO jwt_session (id, bucket, user_id, generation, token_hash, leeway_until, refresh_auth_uuid,
        claims, created_at, last_seen_at, expires_at)
      SELECT gen_random_uuid(), 0, 'ada', 0, '\\x00', now(), gen_random_uuid(), '{}', now(), now(),
        now() + (CASE WHEN n % 10 = 0 THEN 1 ELSE -2 END) * interval '1 day'
      FROM generate_series(1, 2500) AS n
    `);
    const before = (await ids()).length;
    expect(await test.sessions.cleanUp({ dryRun: true })).toMatchObject({ sessions: 2_250 });
    expect(await test.sessions.cleanUp()).toMatchObject({ sessions: 2_250 });
    expect(await ids()).toHaveLength(before - 2_250);
  });

  it('scenario 22: a token whose row was removed says log in, and clears its cookie', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    await test.advance('2d');
    await test.sessions.cleanUp();
    expect(await client.refresh()).toMatchObject({ status: 401, body: { errorCode: 'session_expired' } });
    expect(client.jar).toEqual(new Map());
  });

  it('scenarios 12 and 22: keys go a day after their last token has expired', async () => {
    const keys = async () => (await test.database.query('SELECT kid FROM jwt_session_key')).length;
    await test.advance('7d');
    expect(await keys()).toBeGreaterThan(1);
    // On some days of the week another period begins in them.
    await test.advance('2d');
    const before = await keys();
    const { keys: removable } = await test.sessions.cleanUp({ dryRun: true });
    expect(removable).toBeGreaterThan(0);
    expect(await keys()).toBe(before);
    expect(await test.sessions.cleanUp()).toMatchObject({ keys: removable });
    expect(await keys()).toBe(before - removable);
    // What signs now is not among them.
    const { accessToken } = await test.sessions.logIn('ada');
    await expect(test.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
  });
});
