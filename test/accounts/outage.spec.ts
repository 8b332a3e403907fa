import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Argon2Hasher, PasswordHasher } from 'nestjs-jwt-session/accounts';
import { SharedClock, TestDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS } from '../support/test-app.js';
import { until } from '../support/until.js';
import { AccountApp, FAST, PASSWORD, sessionCookiesOf } from './account-app.js';

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

  it('keep no session of a login that is interrupted before the account was looked at again', async () => {
    const { sessions, events } = app.test;
    const logIn = sessions.logIn.bind(sessions);
    const spy = jest.spyOn(sessions, 'logIn').mockImplementation(async (...parameters) => {
      const tokens = await logIn(...parameters);
      await proxy.refuse();
      return tokens;
    });
    const client = app.client();
    events.length = 0;
    const body = { email: 'ada@example.com', password: PASSWORD };
    const answer = await client.send('/account/login', { method: 'POST', body });
    const bearer = { 'session-transport': 'bearer' };
    spy.mockRestore();
    await proxy.restore();
    expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(sessionCookiesOf(client)).toEqual([]);
    expect(events.filter(({ type }) => type === 'session.refused')).toHaveLength(1);
    expect((await app.post('login', body, bearer)).body.accessToken).toEqual(expect.any(String));
  });
});

/** Checks passwords when a test says so. */
class HeldHasher extends Argon2Hasher {
  held: Promise<void> = Promise.resolve();
  waiting = 0;

  override async verify(hash: string, password: string): Promise<boolean> {
    this.waiting++;
    await this.held;
    return super.verify(hash, password);
  }
}

describe.each(PLATFORMS)('more passwords than the processors can hash, on %s', platform => {
  it('are refused at once, the same for every address, and count as no attempt', async () => {
    const hasher = new HeldHasher(FAST);
    const app = await AccountApp.start({
      platform,
      override: builder => void builder.overrideProvider(PasswordHasher).useValue(hasher),
    });
    try {
      await app.member('ada@example.com');
      const attempts = async () =>
        (await app.test.database.query('SELECT sum(hits) AS hits FROM jwt_account_attempt'))[0];
      const login = (email: string) => app.post('login', { email, password: PASSWORD });
      let release = () => {};
      hasher.held = new Promise(resolve => (release = resolve));
      hasher.waiting = 0;
      const early = Array.from({ length: 32 }, () => login('ada@example.com'));
      // Each login checks two hashes.
      await until(() => Promise.resolve(hasher.waiting === 64));
      app.test.clock.advanceProcess('3s');
      const before = await attempts();
      for (const email of ['ada@example.com', 'unknown@example.com']) {
        const refused = await login(email);
        expect(refused).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
        expect(refused.headers.get('retry-after')).toBe('1');
      }
      expect(await attempts()).toEqual(before);
      release();
      for (const { status } of await Promise.all(early)) expect(status).toBe(200);
      expect((await login('ada@example.com')).status).toBe(200);
    } finally {
      await app.close();
    }
  });
});
