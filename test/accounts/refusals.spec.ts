import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, PASSWORD } from './account-app.js';

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
