import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SessionModuleOptions } from 'nestjs-jwt-session';
import { BearerClient } from '../support/bearer-client.js';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const TWO: SessionModuleOptions['session'] = { maxPerUser: 2 };

const idOf = async (client: BearerClient) => (await client.send('/me')).body.sessionId!;

const idsOf = async (test: TestApp, userId: string) => (await test.sessions.list(userId)).map(({ id }) => id).sort();

describe.each(PLATFORMS)('F31: a limit of devices on %s', platform => {
  let apps: TestApps;
  let evicting: TestApp;
  let rejecting: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    evicting = await apps.start({ session: { session: TWO } });
    rejecting = await apps.start({ session: { session: { ...TWO, onLimit: 'reject' } } });
  });
  afterAll(() => apps?.close());

  /** Users of a name of their own; the clock moves between logins, so that there is an oldest. */
  let users = 0;
  const newUser = () => `user-${++users}`;

  async function logIn(test: TestApp, userId: string): Promise<BearerClient> {
    const client = new BearerClient(test.url);
    expect((await client.logIn(userId)).status).toBe(200);
    await apps.clock.advance('1s');
    return client;
  }

  it('scenario 26: a third login evicts the oldest only, whose tokens are refused at once', async () => {
    const user = newUser();
    const bystander = await logIn(evicting, newUser());
    const [first, second] = [await logIn(evicting, user), await logIn(evicting, user)];
    const [oldest, kept] = [await idOf(first), await idOf(second)];
    evicting.events.length = 0;
    const third = await logIn(evicting, user);

    expect(await first.send('/me')).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
    expect(await first.refresh()).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
    for (const client of [second, third, bystander]) {
      expect((await client.send('/me')).status).toBe(200);
      expect((await client.refresh()).status).toBe(200);
    }
    expect(await idsOf(evicting, user)).toEqual([kept, await idOf(third)].sort());
    expect(evicting.events.filter(({ type }) => type === 'session.revoked')).toEqual([
      { type: 'session.revoked', sessionIds: [oldest], reason: 'evicted', source: 'local' },
    ]);
  });

  it('scenario 26: the oldest is the one that logged in first, however lately it was seen', async () => {
    const user = newUser();
    const [first, second] = [await logIn(evicting, user), await logIn(evicting, user)];
    await apps.clock.advance('1m');
    expect((await first.refresh()).status).toBe(200);
    await logIn(evicting, user);
    expect((await first.refresh()).body.errorCode).toBe('session_revoked');
    expect((await second.refresh()).status).toBe(200);
  });

  it.each(['evict-oldest', 'reject'])('scenario 26: refreshing never counts as a login (%s)', async onLimit => {
    const test = onLimit === 'reject' ? rejecting : evicting;
    const user = newUser();
    const clients = [await logIn(test, user), await logIn(test, user)];
    const before = await idsOf(test, user);
    for (let round = 0; round < 3; round++) {
      for (const client of clients) expect((await client.refresh()).status).toBe(200);
      await apps.clock.advance('1m');
    }
    expect(await idsOf(test, user)).toEqual(before);
  });

  it('reject: the login is refused, nothing is written, and the others live on', async () => {
    const user = newUser();
    const clients = [await logIn(rejecting, user), await logIn(rejecting, user)];
    const rows = () => rejecting.database.query('SELECT * FROM jwt_session WHERE user_id = $1 ORDER BY id', [user]);
    const before = await rows();
    const refused = new CookieClient(rejecting.url);
    expect(await refused.logIn(user)).toMatchObject({
      status: 403,
      body: { statusCode: 403, error: 'Forbidden', errorCode: 'session_limit_reached' },
      setCookie: [],
    });
    expect(await rows()).toEqual(before);
    for (const client of clients) expect((await client.send('/me')).status).toBe(200);
    expect(rejecting.events).toContainEqual({ type: 'session.refused', code: 'session_limit_reached' });

    await rejecting.sessions.logOut(await idOf(clients[0]!));
    expect((await refused.logIn(user)).status).toBe(200);
  });

  it.each(['evict-oldest', 'reject'])(
    'S02: the session that comes with the login ends with it and does not count (%s)',
    async onLimit => {
      const test = onLimit === 'reject' ? rejecting : evicting;
      const user = newUser();
      const other = await logIn(test, user);
      const browser = new CookieClient(test.url);
      await browser.logIn(user);
      const former = browser.copy();
      expect((await browser.logIn(user)).status).toBe(200);
      expect((await former.send('/me')).body.errorCode).toBe('access_token_invalid');
      expect((await browser.send('/me')).status).toBe(200);
      expect((await other.send('/me')).status).toBe(200);
    },
  );

  it("reject: another user's session that comes with a refused login lives on", async () => {
    const user = newUser();
    await logIn(rejecting, user);
    await logIn(rejecting, user);
    const browser = new CookieClient(rejecting.url);
    await browser.logIn(newUser());
    expect((await browser.logIn(user)).status).toBe(403);
    expect((await browser.send('/me')).status).toBe(200);
  });

  it('a limit that was lowered ends as many as are too many', async () => {
    const user = newUser();
    const generous = await apps.start({ session: { session: { maxPerUser: 5 } } });
    const clients: BearerClient[] = [];
    for (let count = 0; count < 5; count++) clients.push(await logIn(generous, user));
    await logIn(evicting, user);
    expect(await idsOf(evicting, user)).toHaveLength(2);
    expect((await clients[4]!.refresh()).status).toBe(200);
  });

  it('sessions that have expired do not count', async () => {
    const user = newUser();
    await logIn(rejecting, user);
    await logIn(rejecting, user);
    await rejecting.advance('31d');
    await logIn(rejecting, user);
  });
});
