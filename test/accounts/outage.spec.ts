import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SharedClock, TestDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, PASSWORD } from './account-app.js';

describe.each(PLATFORMS)('accounts without their database, on %s', platform => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let app: AccountApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    const clock = await SharedClock.install(database);
    proxy = await TcpProxy.to(database.url);
    app = await AccountApp.start({ platform, database, clock, typeorm: { url: proxy.url } });
    await app.member('ada@example.com');
  });
  afterAll(async () => {
    await proxy?.restore();
    await app?.close();
    await proxy?.close();
    await database?.drop();
  });

  it('ask to try again, and go on when it is back', async () => {
    const login = () => app.post('login', { email: 'ada@example.com', password: PASSWORD });
    await proxy.refuse();
    for (const answer of [await login(), await app.post('forgot-password', { email: 'ada@example.com' })]) {
      expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    await proxy.restore();
    expect((await login()).status).toBe(200);
  });
});
