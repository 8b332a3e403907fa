import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

// An operation that takes a second connection while it holds the only one waits for ever: each must need one only.
describe.each(PLATFORMS)('a pool of one connection on %s', platform => {
  let test: TestApp;
  let dataSource: DataSource;
  beforeAll(async () => {
    test = await startTestApp({
      platform,
      typeorm: { extra: { max: 1, connectionTimeoutMillis: 30_000 } },
      // On a slow machine a hundred requests on one connection are more than it answers in time.
      session: { overload: { maxWait: 'none' } },
    });
    dataSource = test.app.get<DataSource>(getDataSourceToken());
  });
  afterAll(() => test?.close());

  it('serves 50 clients that log in, refresh and log out at once', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const client = new CookieClient(test.url);
        const login = await client.logIn(`user-${n}`);
        const refresh = await client.refresh();
        const me = await client.send('/me');
        const logout = await client.send('/session/logout', { method: 'POST' });
        return [login, refresh, me, logout].map(({ status }) => status).join(' ');
      }),
    );
    expect(new Set(statuses)).toEqual(new Set(['200 200 200 204']));
  });

  it("logs in and out within the caller's transaction", async () => {
    const { session: former } = await test.sessions.logIn('ada');
    const ended = await dataSource.transaction(async manager => {
      const { session } = await test.sessions.logIn('ada', { manager, claims: { role: 'admin' } });
      await test.sessions.setData(session.id, { step: 1 }, { manager });
      await test.sessions.getData(session.id, { manager });
      const others = await test.sessions.logOutOthers(session, { manager });
      return others + (await test.sessions.logOutAll('ada', { manager }));
    });
    expect(ended).toBe(2);
    expect(await test.sessions.get(former.id)).toBeNull();
  });

  it('serves 50 transactions and 50 clients at once', async () => {
    const { session, refreshToken } = await test.sessions.logIn('grace');
    const transactions = Array.from({ length: 50 }, () =>
      dataSource.transaction(async manager => {
        const login = await test.sessions.logIn('grace', { manager });
        return test.sessions.logOut(login.session.id, { manager });
      }),
    );
    const refreshes = Array.from({ length: 50 }, () => test.sessions.refresh({ refreshToken: refreshToken! }));
    expect(new Set(await Promise.all(transactions))).toEqual(new Set([true]));
    expect(await Promise.all(refreshes)).toHaveLength(50);
    expect((await test.sessions.list('grace')).map(({ id }) => id)).toEqual([session.id]);
  });

  it('answers guarded requests while a transaction holds the connection', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const me = await dataSource.transaction(() => client.send('/me'));
    expect(me.status).toBe(200);
  });
});
