import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type SessionModuleOptions, SessionUsageError } from 'nestjs-jwt-session';
import { type Answer, CookieClient, send, type SendOptions } from '../support/client.js';
import { SECRET, PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

type Binding = NonNullable<SessionModuleOptions['binding']>;
type DeviceOptions = SessionModuleOptions['devices'];
type Headers = Record<string, string>;

const HOME = { 'x-forwarded-for': '203.0.113.7', 'user-agent': 'Browser/1' };
const OTHER_ADDRESS = { ...HOME, 'x-forwarded-for': '198.51.100.9' };
const OTHER_AGENT = { ...HOME, 'user-agent': 'Browser/2' };

const from = (address: string) => ({ headers: { ...HOME, 'x-forwarded-for': address } });

describe.each(PLATFORMS)('F30: binding on %s', platform => {
  let apps: TestApps;
  const started = new Map<string, TestApp>();
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  async function appWith(binding: Binding, devices?: DeviceOptions): Promise<TestApp> {
    const name = JSON.stringify({ binding, devices });
    const test = started.get(name) ?? (await apps.start({ trustProxy: '127.0.0.1', session: { binding, devices } }));
    started.set(name, test);
    test.events.length = 0;
    return test;
  }

  async function logIn(test: TestApp): Promise<{ id: string; client: CookieClient; ask: Ask }> {
    const client = new CookieClient(test.url);
    const ask: Ask = (path, headers, method = 'GET') => client.send(path, { method, headers });
    const { body } = await client.send('/login', { method: 'POST', headers: HOME, body: { userId: 'ada' } });
    return { id: (body.session as { id: string }).id, client, ask };
  }

  type Ask = (path: string, headers: Headers, method?: SendOptions['method']) => Promise<Answer>;
  const refresh = (ask: Ask, headers: Headers) => ask('/session/refresh', headers, 'POST');

  describe.each<[string, Headers, (scope: Binding['ip']) => Binding, DeviceOptions?]>([
    ['ip', OTHER_ADDRESS, ip => ({ ip })],
    ['userAgent', OTHER_AGENT, userAgent => ({ userAgent })],
    ['userAgent with its label stored', OTHER_AGENT, userAgent => ({ userAgent }), { userAgent: 'label' }],
    ['userAgent with nothing of it stored', OTHER_AGENT, userAgent => ({ userAgent }), { userAgent: 'none' }],
  ])('%s', (name, elsewhere, bindingOf, devices) => {
    const bound = (scope: Binding['ip']) => appWith(bindingOf(scope), devices);

    it('off: another client may use both tokens', async () => {
      const { ask } = await logIn(await bound('off'));
      expect((await ask('/me', elsewhere)).status).toBe(200);
      expect((await refresh(ask, elsewhere)).status).toBe(200);
    });

    it('scenario 24, refresh: the access token is free, the refresh token is not', async () => {
      const test = await bound('refresh');
      const { ask } = await logIn(test);
      expect((await ask('/me', elsewhere)).status).toBe(200);
      expect((await refresh(ask, HOME)).status).toBe(200);
      expect(await refresh(ask, elsewhere)).toMatchObject({
        status: 401,
        body: { errorCode: 'token_theft_detected', class: 'binding' },
      });
    });

    it('scenario 24, always: an access token of another client is refused, refreshing helps the own one', async () => {
      const { ask } = await logIn(await bound('always'));
      for (let round = 0; round < 2; round++) {
        expect((await ask('/me', HOME)).status).toBe(200);
        const refused = await ask('/me', elsewhere);
        expect(refused).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' }, setCookie: [] });
        expect((await refresh(ask, HOME)).status).toBe(200);
      }
    });

    it('F33: a refresh token from another client ends the session, and every later token says so', async () => {
      const test = await bound('always');
      const { id, client: victim } = await logIn(test);
      const sibling = await logIn(test);
      const thief = victim.copy();
      test.events.length = 0;

      const answer = await thief.send('/session/refresh', { method: 'POST', headers: elsewhere });
      expect(answer).toMatchObject({ status: 401, body: { errorCode: 'token_theft_detected', class: 'binding' } });
      expect(answer.setCookie).not.toEqual([]);
      expect(thief.jar).toEqual(new Map());
      expect(test.events).toContainEqual({
        type: 'session.theft',
        sessionId: id,
        userId: 'ada',
        class: 'binding',
        ended: 1,
      });

      const theft = { status: 401, body: { errorCode: 'token_theft_detected', class: 'binding' } };
      expect(await victim.sendOnly('/me', { headers: HOME })).toMatchObject(theft);
      expect(await victim.sendOnly('/session/refresh', { method: 'POST', headers: HOME })).toMatchObject(theft);
      expect((await sibling.ask('/me', HOME)).status).toBe(200);
    });

    it(`${name}: what is not bound may change`, async () => {
      const { ask } = await logIn(await bound('always'));
      const other = name === 'ip' ? OTHER_AGENT : OTHER_ADDRESS;
      expect((await ask('/me', other)).status).toBe(200);
      expect((await refresh(ask, other)).status).toBe(200);
      expect((await ask('/me', HOME)).status).toBe(200);
    });
  });

  it('a client that hides what its token is bound to is another client', async () => {
    const { ask } = await logIn(await appWith({ userAgent: 'always' }));
    expect((await ask('/me', { ...HOME, 'user-agent': '' })).body.errorCode).toBe('access_token_invalid');
    expect((await refresh(ask, { ...HOME, 'user-agent': '' })).body.class).toBe('binding');
  });

  it.each([
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1'],
    ['203.0.113.7', '::ffff:203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
  ])('%s and %s are one address, however a proxy or the application spells it', async (one, other) => {
    const test = await appWith({ ip: 'always' });
    const client = new CookieClient(test.url);
    await client.send('/login', { method: 'POST', body: { userId: 'ada' }, ...from(one) });
    expect((await client.send('/me', from(other))).status).toBe(200);
    await test.clock.advance('11m');
    expect((await client.send('/session/refresh', { method: 'POST', ...from(other) })).status).toBe(200);
    const { refreshToken } = await test.sessions.logIn('ada', { ip: one });
    const refreshed = await test.sessions.refresh({ refreshToken: refreshToken!, ip: other });
    const authorization = `Bearer ${refreshed.accessToken}`;
    expect((await send(`${test.url}/me`, { headers: { ...from(one).headers, authorization } })).status).toBe(200);
  });

  it('two clients behind ports of different addresses are two clients', async () => {
    const test = await appWith({ ip: 'always' });
    const client = new CookieClient(test.url);
    await client.send('/login', { method: 'POST', body: { userId: 'ada' }, ...from('203.0.113.7:4711') });
    expect((await client.send('/me', from('203.0.113.7:4712'))).status).toBe(200);
    expect((await client.send('/me', from('198.51.100.9:4711'))).body.errorCode).toBe('access_token_invalid');
  });

  it('a refused access token confirms nothing', async () => {
    const test = await appWith({ ip: 'always' });
    const { id, ask } = await logIn(test);
    await apps.clock.advance('31s');
    await refresh(ask, HOME);
    await ask('/me', OTHER_ADDRESS);
    await test.confirmUses();
    const generation = async () =>
      (await test.database.query('SELECT generation FROM jwt_session WHERE id = $1', [id]))[0]!.generation;
    expect(await generation()).toBe(0);
    await ask('/me', HOME);
    await test.confirmUses();
    expect(await generation()).toBe(1);
  });

  it.each<[string, Binding, DeviceOptions]>([
    ['from before the binding are bound at their next refresh', {}, { userAgent: 'none' }],
    ['whose user agent was stored stay bound to it', { userAgent: 'refresh' }, { userAgent: 'full' }],
  ])('where the user agent is not stored, sessions %s', async (_, before, devices) => {
    const { sessions, database } = await appWith(before, devices);
    const { refreshToken } = await sessions.logIn('ada', { userAgent: 'Browser/1' });
    const session = { binding: { userAgent: 'refresh' }, devices: { userAgent: 'none' } } as const;
    const later = await apps.start({ database, session });
    const refreshAs = (userAgent: string) => later.sessions.refresh({ refreshToken: refreshToken!, userAgent });
    await refreshAs('Browser/1');
    await expect(refreshAs('Browser/2')).rejects.toMatchObject({ theftClass: 'binding' });
  });

  it('the token does not tell the address, and equal addresses look different in two sessions', async () => {
    const test = await appWith({ ip: 'always', userAgent: 'always' });
    const payloads = await Promise.all(
      [1, 2].map(async () => {
        const client = new CookieClient(test.url);
        await client.send('/login', { method: 'POST', headers: HOME, body: { userId: 'ada' } });
        return Buffer.from(client.accessToken.split('.')[1]!, 'base64url').toString();
      }),
    );
    for (const payload of payloads) expect(payload).not.toMatch(/203\.0\.113\.7|Browser/);
    const [one, two] = payloads.map(payload => (JSON.parse(payload) as { binding: string }).binding);
    expect(one).toMatch(/^[\w-]{22}$/);
    expect(one).not.toBe(two);
  });

  it('a refresh whose client is not known, as after its connection has gone, shows no theft', async () => {
    const test = await appWith({ ip: 'refresh', userAgent: 'refresh' });
    const client = { ip: '203.0.113.7', userAgent: 'Browser/1' };
    const { refreshToken } = await test.sessions.logIn('ada', client);
    for (const unknown of [{ userAgent: client.userAgent }, { ip: client.ip }]) {
      await expect(test.sessions.refresh({ refreshToken: refreshToken!, ...unknown })).rejects.toThrow(
        SessionUsageError,
      );
    }
    await expect(test.sessions.refresh({ refreshToken: refreshToken!, ...client })).resolves.toBeDefined();
  });

  it('bound tokens outlive a change of the server secret', async () => {
    const binding: Binding = { ip: 'always' };
    const { ask } = await logIn(await appWith(binding));
    const secret = ['another-secret-that-is-long-enough-for-everybody', SECRET];
    const rotated = await apps.start({ trustProxy: '127.0.0.1', session: { binding, secret } });
    const client = new CookieClient(rotated.url);
    client.keep(await refresh(ask, HOME));
    expect((await client.send('/me', { headers: HOME })).status).toBe(200);
    expect((await client.send('/me', { headers: OTHER_ADDRESS })).body.errorCode).toBe('access_token_invalid');
  });
});
