import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PasswordHasher } from 'nestjs-jwt-session/accounts';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';
import { tokenOf } from './inbox.js';

const change = (currentPassword: string, newPassword: string) => ({
  method: 'POST',
  body: { currentPassword, newPassword },
});

describe.each(PLATFORMS)('F24: passwords on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
  });
  afterAll(() => app?.close());

  const login = (email: string, password: string) => app.post('login', { email, password });
  const status = async (client: { send(path: string): Promise<{ status: number }> }) =>
    (await client.send('/account')).status;

  it('an unknown address and a wrong password are answered alike', async () => {
    await app.member('alike@example.com');
    const wrong = await login('alike@example.com', OTHER_PASSWORD);
    const unknown = await login('nobody@example.com', OTHER_PASSWORD);
    expect(wrong).toMatchObject({ status: 401, body: { error: 'Unauthorized', errorCode: 'invalid_credentials' } });
    expect([unknown.status, unknown.body]).toEqual([wrong.status, wrong.body]);
    expect(unknown.setCookie).toEqual([]);
  });

  it('known and unknown addresses cost the same hashes', async () => {
    await app.member('cost@example.com');
    const hasher = app.test.app.get(PasswordHasher);
    const calls = [jest.spyOn(hasher, 'hash'), jest.spyOn(hasher, 'verify')];
    const costOf = async (request: () => Promise<unknown>) => {
      calls.forEach(call => call.mockClear());
      await request();
      return calls.map(call => call.mock.calls.length);
    };
    expect(await costOf(() => login('cost@example.com', OTHER_PASSWORD))).toEqual([0, 2]);
    expect(await costOf(() => login('no-cost@example.com', OTHER_PASSWORD))).toEqual([0, 2]);
    expect(await costOf(() => app.register('cost@example.com'))).toEqual([1, 0]);
    expect(await costOf(() => app.register('no-cost@example.com'))).toEqual([1, 0]);
    // A registration waits for its verification now, and a login costs the same.
    expect(await costOf(() => login('no-cost@example.com', OTHER_PASSWORD))).toEqual([0, 2]);
    calls.forEach(call => call.mockRestore());
  });

  it('scenario 15: two logins differ, cookies or bearer as the client asks', async () => {
    await app.member('two@example.com');
    const [one, two] = [await app.loggedIn('two@example.com'), await app.loggedIn('two@example.com')];
    expect(one.accessToken).not.toBe(two.accessToken);
    const body = { email: 'two@example.com', password: PASSWORD };
    const bearer = await app.post('login', body, { 'session-transport': 'bearer' });
    expect(bearer.body).toMatchObject({
      account: { email: 'two@example.com', role: 'user' },
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      expiresIn: 600,
      expiresAt: expect.any(String),
    });
    expect(bearer.setCookie).toEqual([]);
  });

  it('S10: scenario 22: a change of password ends the other sessions and takes links back', async () => {
    await app.member('change@example.com');
    const [caller, other] = [await app.loggedIn('change@example.com'), await app.loggedIn('change@example.com')];
    const recovery = await app.recoveryToken('change@example.com');
    expect(await caller.send('/account/password', change(OTHER_PASSWORD, 'anything at all, really'))).toMatchObject({
      status: 401,
      body: { errorCode: 'invalid_credentials' },
    });
    expect(await caller.send('/account/password', change(PASSWORD, 'short'))).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'newPassword', reason: 'too_short' }] },
    });
    expect((await caller.send('/account/password', change(PASSWORD, OTHER_PASSWORD))).status).toBe(204);

    expect(await status(caller)).toBe(200);
    expect(await other.send('/account')).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
    expect((await login('change@example.com', PASSWORD)).status).toBe(401);
    expect((await login('change@example.com', OTHER_PASSWORD)).status).toBe(200);
    expect((await app.post('reset-password', { token: recovery, password: PASSWORD })).status).toBe(400);
    await app.inbox.wait('change@example.com', /password .* was changed/);
  });

  it('a change of password needs a recent login, which the password renews', async () => {
    await app.member('recent@example.com');
    const client = await app.loggedIn('recent@example.com');
    await app.test.advance('16m');
    await client.refresh();
    const refused = await client.send('/account/password', change(PASSWORD, OTHER_PASSWORD));
    expect(refused).toMatchObject({ status: 401, body: { errorCode: 'insufficient_user_authentication' } });
    expect(refused.headers.get('www-authenticate')).toContain('max_age="900"');
    const wrong = await client.send('/account/reauthenticate', { method: 'POST', body: { password: OTHER_PASSWORD } });
    expect(wrong.status).toBe(401);
    const renewed = await client.send('/account/reauthenticate', { method: 'POST', body: { password: PASSWORD } });
    expect(renewed.status).toBe(200);
    expect((await client.send('/account/password', change(PASSWORD, OTHER_PASSWORD))).status).toBe(204);
  });

  it('a forgotten password is replaced by a link, all sessions end, and the link works once', async () => {
    await app.member('forgot@example.com');
    const before = await app.loggedIn('forgot@example.com');
    const known = await app.post('forgot-password', { email: 'FORGOT@example.com' });
    const unknown = await app.post('forgot-password', { email: 'nobody@example.com' });
    expect([unknown.status, unknown.body]).toEqual([202, known.body]);
    const mail = await app.inbox.wait('forgot@example.com', /^Choose a new password/);
    expect(mail.text).toContain('within 60 minutes');
    const token = tokenOf(mail);

    const common = await app.post('reset-password', { token, password: 'passwordpassword' });
    expect(common).toMatchObject({ status: 400, body: { errors: [{ field: 'password', reason: 'guessable' }] } });
    expect((await app.post('reset-password', { token, password: OTHER_PASSWORD })).status).toBe(204);
    expect(await status(before)).toBe(401);
    expect((await login('forgot@example.com', PASSWORD)).status).toBe(401);
    expect((await login('forgot@example.com', OTHER_PASSWORD)).status).toBe(200);
    const again = await app.post('reset-password', { token, password: PASSWORD });
    expect(again).toMatchObject({ status: 400, body: { errorCode: 'token_used' } });
    await app.outbox.drain();
    expect(app.inbox.to('nobody@example.com')).toEqual([]);
  });

  it('20 uses of one link at once change the password once', async () => {
    await app.member('race@example.com');
    const token = await app.recoveryToken('race@example.com');
    const passwords = Array.from({ length: 20 }, (_, n) => `the ${n}th of twenty gardeners`);
    const answers = await Promise.all(passwords.map(password => app.post('reset-password', { token, password })));
    expect(answers.filter(({ status: code }) => code === 204)).toHaveLength(1);
    expect(answers.filter(({ status: code }) => code === 400)).toHaveLength(19);
    const winner = passwords[answers.findIndex(({ status: code }) => code === 204)]!;
    expect((await login('race@example.com', winner)).status).toBe(200);
    const notices = () => app.inbox.to('race@example.com').filter(({ subject }) => subject!.includes('was changed'));
    await app.inbox.wait('race@example.com', /was changed/);
    await app.outbox.drain();
    expect(notices()).toHaveLength(1);
  });

  it('a link that is too old, tampered with, for another purpose or of a disabled account is refused', async () => {
    const id = await app.member('old@example.com');
    const token = await app.recoveryToken('old@example.com');
    await app.register('fresh@example.com');
    const verification = tokenOf(await app.verificationMail('fresh@example.com'));
    const reset = async (bad: string) =>
      (await app.post('reset-password', { token: bad, password: OTHER_PASSWORD })).body;
    const refusals = [await reset(token.toUpperCase()), await reset(verification), await reset('')];
    expect(refusals.map(({ errorCode }) => errorCode)).toEqual(['token_invalid', 'token_invalid', 'invalid_input']);
    await app.accounts.disable(id);
    expect(await reset(token)).toMatchObject({ errorCode: 'token_invalid' });
    await app.accounts.enable(id);
    const later = await app.recoveryToken('old@example.com', 2);
    await app.test.clock.advance('61m');
    expect(await reset(later)).toMatchObject({ errorCode: 'token_invalid' });
    expect((await login('old@example.com', PASSWORD)).status).toBe(200);
  });

  it('a link changes the password of its own account only, also of one that was never verified', async () => {
    await app.member('one@example.com');
    await app.register('other@example.com');
    const token = await app.recoveryToken('other@example.com');
    expect((await app.post('reset-password', { token, password: OTHER_PASSWORD })).status).toBe(204);
    expect((await login('one@example.com', OTHER_PASSWORD)).status).toBe(401);
    expect((await login('one@example.com', PASSWORD)).status).toBe(200);
    // A person who has the link reads the address's mail: the address is verified.
    expect((await login('other@example.com', OTHER_PASSWORD)).status).toBe(200);
  });

  it('of two changes at once from one password, one counts', async () => {
    await app.member('both@example.com');
    const clients = [await app.loggedIn('both@example.com'), await app.loggedIn('both@example.com')];
    const next = ['the first of two changes', 'the second of two changes'];
    const answers = await Promise.all(
      clients.map((client, n) => client.send('/account/password', change(PASSWORD, next[n]!))),
    );
    const codes = answers.map(answer => answer.status);
    expect([...codes].sort()).toEqual([204, 401]);
    expect((await login('both@example.com', next[codes.indexOf(204)]!)).status).toBe(200);
    expect(await status(clients[codes.indexOf(204)]!)).toBe(200);
    expect(await status(clients[codes.indexOf(401)]!)).toBe(401);
  });
});

describe('password.onChange', () => {
  it.each([
    ['end-all', 401, 401],
    ['keep', 200, 200],
  ] as const)('%s', async (onChange, own, others) => {
    const app = await AccountApp.start({ accounts: { password: { onChange } } });
    await app.member('ada@example.com');
    const [caller, other] = [await app.loggedIn('ada@example.com'), await app.loggedIn('ada@example.com')];
    const answer = await caller.sendOnly('/account/password', change(PASSWORD, OTHER_PASSWORD));
    expect(answer.status).toBe(204);
    expect((await caller.send('/account')).status).toBe(own);
    expect((await other.send('/account')).status).toBe(others);
    expect(answer.setCookie.some(cookie => cookie.includes('Max-Age=0'))).toBe(onChange === 'end-all');
    await app.close();
  });
});
