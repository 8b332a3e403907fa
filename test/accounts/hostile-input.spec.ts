import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, PASSWORD } from './account-app.js';

/** As much as Express takes by default. */
const BODY_BYTES = 90_000;

describe.each(PLATFORMS)('F24: a body that is made to cost time, on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
  });
  afterAll(() => app?.close());

  it.each(['verify-email', 'reset-password', 'confirm-email', 'undo-email-change', 'end-session'])(
    'a token for %s with a long tail is refused in linear time',
    async path => {
      for (const junk of ['!', ' ', '\u00A0', '=']) {
        const token = `${junk.repeat(BODY_BYTES / Buffer.byteLength(junk))}a`;
        const body = path === 'end-session' ? { token } : { token, password: PASSWORD };
        const answer = await app.post(path, body);
        expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'token', reason: 'too_long' }] } });
      }
    },
    20_000,
  );

  it.each(['register', 'login', 'forgot-password', 'send-verification'])(
    'no normal form is made of a long address for %s',
    async path => {
      const normalize = jest.spyOn(String.prototype, 'normalize');
      const email = `a${'\u0301\u0323'.repeat(BODY_BYTES / 4)}@example.com`;
      const answer = await app.post(path, path.length > 8 ? { email } : { email, password: PASSWORD });
      const lengths = normalize.mock.contexts.map(text => String(text).length);
      normalize.mockRestore();
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'email', reason: 'not_an_email' }] } });
      expect(Math.max(0, ...lengths)).toBeLessThan(2_000);
    },
  );

  it('a password of combining marks is refused before a normal form is made of it', async () => {
    await app.member('marks@example.com', `${PASSWORD}${'\u0301'.repeat(30)}`);
    await app.loggedIn('marks@example.com', `${PASSWORD}${'\u0301'.repeat(30)}`);
    const normalize = jest.spyOn(String.prototype, 'normalize');
    const answer = await app.post('login', { email: 'marks@example.com', password: 'a\u0301\u0323'.repeat(16) });
    expect(answer.status).toBe(401);
    const refused = await app.post('login', { email: 'marks@example.com', password: '\u0301\u0323'.repeat(2_000) });
    const lengths = normalize.mock.contexts.map(text => String(text).length);
    normalize.mockRestore();
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ field: 'password', reason: 'malformed' }] } });
    expect(Math.max(...lengths)).toBeLessThan(100);
  });

  it('an export of many sessions reads them by one statement', async () => {
    const id = await app.member('many@example.com');
    const client = await app.loggedIn('many@example.com');
    for (let n = 0; n < 5; n++) await app.test.sessions.logIn(id);
    const statements = await statementsDuring(app.test, async () => {
      const { body } = await client.send('/account/export');
      expect(body.sessions).toHaveLength(6);
    });
    expect(statements.filter(name => name.startsWith('jwt_session'))).toEqual([
      'jwt_session_export',
      'jwt_session_device_list',
    ]);
  });

  it('unknown fields are named, but not thousands of them', async () => {
    const fields = Object.fromEntries(Array.from({ length: 8_000 }, (_, n) => [`f${n}`, 1]));
    const { status, body } = await app.post('login', { email: 'ada@example.com', password: PASSWORD, ...fields });
    expect(status).toBe(400);
    expect(body.errors).toHaveLength(20);
  });
});
