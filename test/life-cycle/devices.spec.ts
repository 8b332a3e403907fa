import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const DELETE = { method: 'DELETE' };
const refused = (errorCode: string) => ({ status: 401, body: { errorCode } });

interface ListedDevice {
  id: string;
  label: string | null;
  ip: string;
  createdAt: string;
  lastSeenAt: string;
  current: boolean;
}

const idOf = async (client: CookieClient) => (await client.sendOnly('/me')).body.sessionId!;

const devicesOf = async (client: CookieClient) =>
  (await client.send('/session/devices')).body as unknown as ListedDevice[];

const USER_AGENTS = [
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
    'Safari on iOS',
  ],
  ['curl/8.14.1', 'curl'],
  [`${'x'.repeat(1_000)} Firefox/140.0`, 'x'.repeat(40)],
  ['<script>alert(1)</script>', null],
  [' ', null],
] as const;

describe.each(PLATFORMS)('devices on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  async function logIn(userId: string): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    expect(await client.logIn(userId)).toMatchObject({ status: 200 });
    return client;
  }

  it('S12: a user lists own sessions, the latest seen first', async () => {
    const first = await logIn('ada');
    await test.advance('1m');
    const second = await logIn('ada');
    await logIn('grace');
    await test.sessions.logIn('ada', { label: 'the old phone' });
    await test.advance('1m');
    await first.refresh();

    const devices = await devicesOf(first);
    expect(devices.map(({ id }) => id).slice(0, 1)).toEqual([await idOf(first)]);
    expect(devices).toHaveLength(3);
    expect(devices.filter(({ current }) => current).map(({ id }) => id)).toEqual([await idOf(first)]);
    expect(devices.map(({ label }) => label)).toContain('the old phone');
    const [{ createdAt, lastSeenAt, ip }] = devices as [ListedDevice];
    expect(Date.parse(lastSeenAt) - Date.parse(createdAt)).toBeGreaterThanOrEqual(120_000);
    expect(ip).toBe('127.0.0.1');
    for (const device of devices) {
      expect(Object.keys(device).sort()).toEqual([
        'boundBy',
        'createdAt',
        'current',
        'id',
        'ip',
        'label',
        'lastSeenAt',
      ]);
    }
    expect((await devicesOf(second)).find(({ current }) => current)?.id).toBe(await idOf(second));
  });

  it.each(USER_AGENTS)('F16: a login by %s without a label is listed as %s', async (userAgent, label) => {
    const client = new CookieClient(test.url);
    const headers = { 'user-agent': userAgent };
    await client.send('/login', { method: 'POST', body: { userId: 'barbara' }, headers });
    expect((await devicesOf(client)).find(({ current }) => current)!.label).toBe(label);
  });

  it('F16: a label of the login wins over the user agent', async () => {
    await test.sessions.logIn('radia', { label: 'the laptop', userAgent: 'curl/8.14.1' });
    await test.sessions.logIn('radia', { userAgent: 'curl/8.14.1' });
    expect((await test.sessions.list('radia')).map(({ label }) => label)).toEqual(['curl', 'the laptop']);
  });

  it.each([
    ['label', 'Firefox on Linux'],
    ['none', null],
  ] as const)('F16: devices.userAgent %s stores of the user agent only %s', async (userAgent, label) => {
    const { database, clock } = test;
    const other = await startTestApp({ platform, database, clock, session: { devices: { userAgent } } });
    try {
      const client = new CookieClient(other.url);
      const headers = { 'user-agent': USER_AGENTS[0][0] };
      await client.send('/login', { method: 'POST', body: { userId: userAgent }, headers });
      await other.sessions.logIn(userAgent, { label: 'the laptop', userAgent: USER_AGENTS[0][0] });
      await test.advance('1m');
      await client.send('/session/refresh', { method: 'POST', headers });
      expect((await devicesOf(client)).map(device => device.label)).toEqual([label, 'the laptop']);
      const [row] = await database.query('SELECT to_json(s)::text AS text FROM jwt_session s WHERE id = $1', [
        await idOf(client),
      ]);
      expect(row!.text).not.toContain('Mozilla');
    } finally {
      await other.close();
    }
  });

  it('S12: a user ends an own session, and it is gone at once', async () => {
    const [client, other] = [await logIn('ada'), await logIn('ada')];
    const id = await idOf(other);
    expect(await client.send(`/session/devices/${id}`, DELETE)).toMatchObject({ status: 204, setCookie: [] });
    expect(await other.sendOnly('/me')).toMatchObject(refused('session_revoked'));
    expect(await other.refresh()).toMatchObject(refused('session_revoked'));
    expect((await devicesOf(client)).map(device => device.id)).not.toContain(id);
    // It is unknown from now on.
    expect(await client.send(`/session/devices/${id}`, DELETE)).toMatchObject({ status: 404 });
  });

  it('S12: ending one’s own clears the cookies', async () => {
    const client = await logIn('ada');
    const copy = client.copy();
    expect(await client.send(`/session/devices/${await idOf(client)}`, DELETE)).toMatchObject({ status: 204 });
    expect(client.jar).toEqual(new Map());
    expect(await copy.refresh()).toMatchObject(refused('session_revoked'));
  });

  it('S12: a foreign id is answered like an unknown one: 404, and nothing happens', async () => {
    const [ada, grace] = [await logIn('ada'), await logIn('grace')];
    const foreign = await ada.send(`/session/devices/${await idOf(grace)}`, DELETE);
    const unknown = await ada.send('/session/devices/01890000-0000-7000-8000-000000000000', DELETE);
    expect(foreign).toMatchObject({ status: 404, setCookie: [] });
    expect(foreign.body).toEqual(unknown.body);
    expect(await grace.send('/me')).toMatchObject({ status: 200 });
    expect(await grace.refresh()).toMatchObject({ status: 200 });
  });

  it.each([
    '1',
    'ada',
    "'%20OR%201=1",
    '%00',
    '01890000-0000-7000-8000-00000000000g',
    '{01890000-0000-7000-8000-000000000000}',
    '01890000000070008000000000000000',
    'x'.repeat(90),
  ])('S12: a malformed id is 404: %s', async id => {
    const client = await logIn('ada');
    expect(await client.send(`/session/devices/${id}`, DELETE)).toMatchObject({ status: 404, setCookie: [] });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
  });

  it('S11, scenario 9: an administrator ends one session, or all of a user', async () => {
    await test.sessions.logOutAll('grace');
    const [one, two, ada] = [await logIn('grace'), await logIn('grace'), await logIn('ada')];
    expect(await test.sessions.logOut(await idOf(one), { reason: 'admin' })).toBe(true);
    expect(await one.sendOnly('/me')).toMatchObject(refused('session_revoked'));
    expect(await one.refresh()).toMatchObject(refused('session_revoked'));
    expect(await two.send('/me')).toMatchObject({ status: 200 });

    expect(await test.sessions.logOutAll('grace', { reason: 'admin' })).toBe(1);
    expect(await two.sendOnly('/me')).toMatchObject(refused('session_revoked'));
    expect(await two.refresh()).toMatchObject(refused('session_revoked'));
    expect(await ada.send('/me')).toMatchObject({ status: 200 });
    expect(test.events.filter(event => event.type === 'session.revoked' && event.reason === 'admin')).toHaveLength(2);
  });
});
