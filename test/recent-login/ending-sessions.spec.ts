import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerClient } from '../support/bearer-client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const post = { method: 'POST' };

/** What somebody with a stolen access token can end. */
describe.each(PLATFORMS)('S12, S13: the routes that end other sessions on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let lenient: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({ session: { session: { recentLogin: '5m' } } });
    lenient = await apps.start({});
  });
  afterAll(() => apps?.close());

  /** Two sessions of a user, whose logins are as old as given. */
  async function logInTwice(app: TestApp, user: string, age: string) {
    const [client, other] = [new BearerClient(app.url), new BearerClient(app.url)];
    await client.logIn(user);
    const { session } = (await other.logIn(user)).body as unknown as { session: { id: string } };
    await app.advance(age);
    return { client, other, id: session.id };
  }

  it('ask for a recent login where the option says so, and end nothing without one', async () => {
    const { client, other, id } = await logInTwice(test, 'ada', '301s');
    const refused = { status: 401, body: { errorCode: 'insufficient_user_authentication' } };
    for (const [path, options] of [
      ['/session/logout-others', post],
      ['/session/logout-all', post],
      [`/session/devices/${id}`, { method: 'DELETE' }],
    ] as const) {
      const answer = await client.send(path, options);
      expect(answer).toMatchObject(refused);
      expect(answer.headers.get('www-authenticate')).toContain('max_age="300"');
    }
    expect((await other.send('/me')).status).toBe(200);
    // The own session ends without it.
    expect((await client.send('/session/logout', post)).status).toBe(204);
  });

  it('do as they are told after a recent login, and at any time without the option', async () => {
    for (const [app, age] of [
      [test, '4m'],
      [lenient, '301s'],
    ] as const) {
      const { client, other, id } = await logInTwice(app, 'grace', age);
      expect((await client.send(`/session/devices/${id}`, { method: 'DELETE' })).status).toBe(204);
      expect((await other.send('/me')).body.errorCode).toBe('session_revoked');
      expect((await client.send('/session/logout-others', post)).status).toBe(200);
      expect((await client.send('/session/logout-all', post)).status).toBe(200);
      expect((await client.send('/me')).body.errorCode).toBe('session_revoked');
    }
  });

  it('refuse an expired access token, which logs out its own session and no other', async () => {
    const { client, other } = await logInTwice(test, 'hopper', '11m');
    for (const path of ['/session/logout-others', '/session/logout-all']) {
      expect((await client.send(path, post)).body.errorCode).toBe('access_token_expired');
    }
    expect((await client.send('/session/logout', post)).status).toBe(204);
    expect((await client.refresh()).body.errorCode).toBe('session_revoked');
    expect((await other.refresh()).status).toBe(200);
  });
});
