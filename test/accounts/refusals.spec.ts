import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { send } from '../support/client.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';

describe.each(PLATFORMS)('F24: refusals of the session module at the routes of accounts, on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform, session: { session: { maxPerUser: 1, onLimit: 'reject' } } });
    await app.member('ada@example.com');
  });
  afterAll(() => app?.close());

  const logIn = (headers: Record<string, string> = {}) =>
    app.post('login', { email: 'ada@example.com', password: PASSWORD }, headers);

  it.each([
    ['csrf_rejected', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['session_limit_reached', {}],
  ])('%s is one event', async (code, headers) => {
    await app.accounts.logIn({ email: 'ada@example.com', password: PASSWORD }).catch(() => undefined);
    app.test.events.length = 0;
    expect(await logIn(headers)).toMatchObject({ status: 403, body: { errorCode: code } });
    expect(app.test.events.filter(({ type }) => type === 'session.refused')).toEqual([
      { type: 'session.refused', code },
    ]);
  });
});

describe.each(PLATFORMS)('F35: somebody who impersonates the owner of an account, on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
    await app.member('ada@example.com');
  });
  afterAll(() => app?.close());

  it('changes neither password nor address, deletes nothing and tries no password', async () => {
    const { account } = await app.accounts.logIn({ email: 'ada@example.com', password: PASSWORD });
    const { sessions, url } = app.test;
    const actor = await sessions.logIn(await app.member('support@example.com'));
    const { session, accessToken } = await sessions.impersonate(actor.session, account.id);
    const headers = { authorization: `Bearer ${accessToken}` };
    const refused = { status: 403, body: { errorCode: 'not_while_impersonating' } };
    const password = { password: PASSWORD };
    for (const [method, path, body] of [
      ['POST', '/password', { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }],
      ['POST', '/email', { email: 'thief@example.com', ...password }],
      ['POST', '/reauthenticate', password],
      ['DELETE', '', password],
    ] as const) {
      expect(await send(`${url}/account${path}`, { method, headers, body })).toMatchObject(refused);
    }
    // The same in routes of an application's own, which call the service.
    const { accounts } = app;
    for (const attempt of [
      accounts.changePassword(session, { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD }),
      accounts.changeEmail(session, { email: 'thief@example.com', ...password }),
      accounts.reauthenticate(session, password),
      accounts.deleteOwn(session, password),
      accounts.requirePassword(session, { password: 'a guess' }),
    ]) {
      await expect(attempt).rejects.toMatchObject(refused.body);
    }
    expect((await send(`${url}/account`, { headers })).body.email).toBe('ada@example.com');
    await accounts.logIn({ email: 'ada@example.com', password: PASSWORD });
  });
});
