import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Exchange, KnownDevices, SessionExchange, SessionService } from 'nestjs-jwt-session';
import { type Answer, CookieClient, send } from '../support/client.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const DEVICE_COOKIE = '__Host-Http-session_device';

@Controller()
class DeviceController {
  constructor(
    private readonly sessions: SessionService,
    private readonly devices: KnownDevices,
  ) {}

  @Post('plain-login')
  async plain(@Body() { userId }: { userId: string }, @Exchange() exchange: SessionExchange) {
    return { newDevice: (await this.sessions.logIn(userId, { exchange, recognise: false })).newDevice };
  }

  @Post('recognise')
  @HttpCode(200)
  async recognise(@Body() { userId }: { userId: string }, @Exchange() exchange: SessionExchange) {
    return { id: await this.devices.recognise(userId, exchange) };
  }

  @Post('forget-others')
  @HttpCode(200)
  async forgetOthers(@Body() { userId }: { userId: string }, @Exchange() except: SessionExchange) {
    return { count: await this.devices.forget(userId, { except }) };
  }
}

describe.each(PLATFORMS)('known devices on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let limited: TestApp;
  let off: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    const devices = { recognise: true };
    test = await apps.start({ controllers: [DeviceController], session: { devices } });
    limited = await apps.start({ session: { devices, session: { maxPerUser: 1 } } });
    off = await apps.start({ session: { devices: { ip: 'network', userAgent: 'none' } } });
  });
  afterAll(() => apps?.close());

  let count = 0;
  const newUser = () => `user-${++count}`;
  const rowsOf = (userId: string) =>
    test.database.query<{ hash: Buffer; session_id: string }>(
      `SELECT * FROM jwt_session_device WHERE user_id = '${userId}'`,
    );
  const tokensOf = ({ jar }: CookieClient) => jar.get(DEVICE_COOKIE)!.split('.');
  const created = (app = test) => app.events.filter(({ type }) => type === 'session.created').at(-1);

  async function logIn(userId: string, client = new CookieClient(test.url)): Promise<CookieClient> {
    expect((await client.logIn(userId)).status).toBe(200);
    return client;
  }

  /** Whether that login is on a new device; what the answer says, and the event. */
  async function isNew(userId: string, client = new CookieClient(test.url), app = test): Promise<unknown> {
    const answer = await client.logIn(userId);
    expect(created(app)).toMatchObject({ userId, newDevice: answer.body.newDevice });
    return answer.body.newDevice;
  }

  it('the first login alarms nobody, the same browser is known, another one is new', async () => {
    const user = newUser();
    const own = new CookieClient(test.url);
    expect(await isNew(user, own)).toBe(false);
    expect(created()).toMatchObject({ ip: '127.0.0.1', userAgent: expect.any(String) });
    await own.send('/session/logout', { method: 'POST' });
    expect(await isNew(user, own)).toBe(false);
    const other = new CookieClient(test.url);
    expect(await isNew(user, other)).toBe(true);
    expect(await isNew(user, other)).toBe(false);
    expect(await rowsOf(user)).toHaveLength(2);
  });

  it('the cookie is of this host, out of reach for scripts, and lives a year from each login on', async () => {
    const client = new CookieClient(test.url);
    const user = newUser();
    for (const _ of [1, 2]) {
      const { setCookie } = await client.logIn(user);
      expect(setCookie.filter(cookie => cookie.startsWith(DEVICE_COOKIE))).toEqual([
        expect.stringMatching(/=[\w-]{24}; Max-Age=31536000; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
      ]);
    }
  });

  it('a login stays one statement, also with a limit and in the place of another session', async () => {
    const client = await logIn(newUser());
    expect(await statementsDuring(test, () => logIn(newUser()))).toHaveLength(1);
    expect(await statementsDuring(test, () => client.logIn(newUser()))).toHaveLength(1);
    const user = newUser();
    const inLimited = new CookieClient(limited.url);
    expect(await isNew(user, inLimited, limited)).toBe(false);
    expect(await isNew(user, new CookieClient(limited.url), limited)).toBe(true);
    expect(await isNew(user, inLimited, limited)).toBe(false);
  });

  it('off, nothing is set, stored or told, and the event has what may be stored of the client', async () => {
    const user = newUser();
    const answer = await new CookieClient(off.url).logIn(user);
    expect(answer.setCookie.join()).not.toContain('device');
    expect(answer.body).not.toHaveProperty('newDevice');
    expect(created(off)).toEqual({
      type: 'session.created',
      sessionId: expect.any(String),
      userId: user,
      ip: '127.0.0.0/24',
    });
    const asked = await new CookieClient(test.url).send('/plain-login', { method: 'POST', body: { userId: user } });
    expect(asked.body).toEqual({});
    expect(await rowsOf(user)).toEqual([]);
  });

  it('users of one browser are all known, by tokens of their own', async () => {
    const users = [newUser(), newUser(), newUser()];
    const shared = new CookieClient(test.url);
    for (const user of users) await logIn(user);
    for (const user of users) expect(await isNew(user, shared)).toBe(true);
    for (const user of users) expect(await isNew(user, shared)).toBe(false);
    expect(tokensOf(shared)).toHaveLength(3);
    const hashes = (await Promise.all(users.map(rowsOf))).flat().map(({ hash }) => hash.toString('hex'));
    expect(new Set(hashes).size).toBe(6);
  });

  it('a stolen cookie of the jar is the device, and opens nothing by itself', async () => {
    const user = newUser();
    const own = await logIn(user);
    const thief = new CookieClient(test.url);
    thief.jar.set(DEVICE_COOKIE, own.jar.get(DEVICE_COOKIE)!);
    expect((await thief.send('/me')).status).toBe(401);
    expect(await isNew(user, thief)).toBe(false);
  });

  it('a planted cookie, of another user or made up, becomes no device of the user', async () => {
    const [attacker, victim] = [newUser(), newUser()];
    const planted = (await logIn(attacker)).jar.get(DEVICE_COOKIE)!;
    await logIn(victim);
    for (const value of [planted, 'A'.repeat(24)]) {
      const browser = new CookieClient(test.url);
      browser.jar.set(DEVICE_COOKIE, value);
      expect(await isNew(victim, browser)).toBe(true);
      expect(tokensOf(browser)[0]).not.toBe(value);
      const copy = new CookieClient(test.url);
      copy.jar.set(DEVICE_COOKIE, value);
      expect(await isNew(victim, copy)).toBe(true);
    }
  });

  it('a huge cookie, a malformed one and two of them are read to a limit', async () => {
    const user = newUser();
    const own = await logIn(user);
    const huge = new CookieClient(test.url);
    huge.jar.set(DEVICE_COOKIE, Array.from({ length: 300 }, (_, n) => String(n).padStart(24, 'x')).join('.'));
    expect(await isNew(user, huge)).toBe(true);
    expect(tokensOf(huge)).toHaveLength(5);
    for (const value of ["'; DROP TABLE x", '....', '']) {
      const odd = new CookieClient(test.url);
      odd.jar.set(DEVICE_COOKIE, value);
      expect(await isNew(user, odd)).toBe(true);
      expect(tokensOf(odd)).toHaveLength(1);
    }
    const cookie = `${DEVICE_COOKIE}=${'B'.repeat(24)}; ${DEVICE_COOKIE}=${own.jar.get(DEVICE_COOKIE)!}`;
    const both = await send(`${test.url}/login`, { method: 'POST', body: { userId: user }, headers: { cookie } });
    expect(both.body.newDevice).toBe(false);
  });

  it('a bearer client gets the token in the answer, and sends it as Session-Device', async () => {
    const user = newUser();
    const bearer = (headers = {}): Promise<Answer> =>
      send(`${test.url}/login`, {
        method: 'POST',
        body: { userId: user },
        headers: { 'session-transport': 'bearer', ...headers },
      });
    const first = await bearer();
    expect(first).toMatchObject({ setCookie: [], body: { newDevice: false, deviceToken: expect.any(String) } });
    const again = await bearer({ 'session-device': String(first.body.deviceToken) });
    expect(again.body).toMatchObject({ newDevice: false, deviceToken: first.body.deviceToken });
    expect((await bearer()).body.newDevice).toBe(true);
    expect((await bearer({ 'session-device': 'C'.repeat(24) })).body.newDevice).toBe(true);
  });

  it('of more than 20 devices the one that was seen longest ago is forgotten', async () => {
    const user = newUser();
    const first = await logIn(user);
    await test.advance('1m');
    for (let n = 0; n < 20; n++) await logIn(user);
    expect(await rowsOf(user)).toHaveLength(20);
    expect(await isNew(user, first)).toBe(true);
    expect(await rowsOf(user)).toHaveLength(20);
  });

  it('recognise tells a known device before the login, and forget makes others unknown', async () => {
    const user = newUser();
    const [own, other] = [await logIn(user), await logIn(user)];
    const ask = async (client: CookieClient, userId = user) =>
      (await client.send('/recognise', { method: 'POST', body: { userId } })).body.id;
    expect(await ask(own)).toMatch(/^[\w-]{22}$/);
    expect(await ask(other)).not.toBe(await ask(own));
    expect(await ask(own, newUser())).toBeNull();
    expect(await ask(new CookieClient(test.url))).toBeNull();
    const forgotten = await own.send('/forget-others', { method: 'POST', body: { userId: user } });
    expect(forgotten.body).toEqual({ count: 1 });
    expect(await ask(other)).toBeNull();
    expect(await isNew(user, other)).toBe(true);
    const devices = test.app.get(KnownDevices);
    const [latest] = await devices.list(user);
    expect(latest).toEqual({ sessionId: expect.any(String), lastSeenAt: expect.any(Date) });
    expect(await devices.forget(user, { sessionId: latest!.sessionId })).toBe(1);
    expect(await devices.forget(user, { sessionId: 'no uuid' })).toBe(0);
    expect(await devices.list(user)).toHaveLength(1);
  });

  it('erase forgets the devices in its one statement', async () => {
    const user = newUser();
    await logIn(user);
    const bystander = newUser();
    await logIn(bystander);
    expect(await statementsDuring(test, () => test.sessions.erase(user))).toHaveLength(1);
    expect(await rowsOf(user)).toEqual([]);
    expect(await rowsOf(bystander)).toHaveLength(1);
  });

  it('a device is known for a year, and the last one of a user tells even later that another one is new', async () => {
    const user = newUser();
    const [old, latest] = [await logIn(user), await logIn(user)];
    await test.database.query(
      `UPDATE jwt_session_device SET last_seen_at = now() - interval '366 days' -
        CASE WHEN session_id = '${(await rowsOf(user))[0]!.session_id}' THEN interval '1 day' ELSE interval '0' END
        WHERE user_id = '${user}'`,
    );
    expect(await test.sessions.cleanUp({ dryRun: true })).toMatchObject({ devices: 1 });
    expect(await test.sessions.cleanUp()).toMatchObject({ devices: 1 });
    expect(await rowsOf(user)).toHaveLength(1);
    expect(await isNew(user, old)).toBe(true);
    expect(await isNew(user, latest)).toBe(true);
  });
});
