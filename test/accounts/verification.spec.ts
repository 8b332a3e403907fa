import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KnownDevices } from 'nestjs-jwt-session';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';
import { tokenOf } from './inbox.js';

/** Chosen by somebody who registers an address that is not theirs. */
const STRANGERS = OTHER_PASSWORD;

describe.each(PLATFORMS)('F24: the link that verifies an address, on %s', platform => {
  let app: AccountApp;
  let open: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
    const { database, clock } = app.test;
    open = await AccountApp.start({
      platform,
      database,
      clock,
      inbox: app.inbox,
      accounts: { requireVerified: false },
    });
  });
  afterAll(async () => {
    await open?.close();
    await app?.close();
  });

  const login = (email: string, password: string) => app.post('login', { email, password });
  const tokenFor = async (email: string, count = 1) => tokenOf(await app.verificationMail(email, count));
  const verify = (body: object) => app.post('verify-email', body);

  it('puts no password of a stranger in force: the owner of the address proves it, or chooses another', async () => {
    await app.register('squatted@example.com', STRANGERS);
    const token = await tokenFor('squatted@example.com');
    const mismatch = await verify({ token, password: PASSWORD });
    expect(mismatch).toMatchObject({ status: 400, body: { errorCode: 'password_mismatch' } });
    expect((await login('squatted@example.com', STRANGERS)).body.errorCode).toBe('email_not_verified');
    const weak = await verify({ token, newPassword: 'passwordpassword' });
    expect(weak).toMatchObject({ status: 400, body: { errors: [{ field: 'newPassword', reason: 'guessable' }] } });
    expect(await verify({ token, newPassword: PASSWORD })).toMatchObject({
      status: 200,
      body: { email: 'squatted@example.com' },
    });
    expect((await login('squatted@example.com', STRANGERS)).status).toBe(401);
    expect((await login('squatted@example.com', PASSWORD)).status).toBe(200);
  });

  it.each([
    [{}, 'password'],
    [{ password: '' }, 'password'],
    [{ password: 7 }, 'password'],
    [{ newPassword: 7 }, 'newPassword'],
  ])('is refused with %j: the link alone proves the mailbox only', async (body, field) => {
    await app.register(`alone-${field}@example.com`);
    const token = await tokenFor(`alone-${field}@example.com`);
    expect(await verify({ token, ...body })).toMatchObject({ status: 400, body: { errors: [{ field }] } });
  });

  it('changes no password of an account in use, which a stranger registers again', async () => {
    await open.register('in-use@example.com');
    const owner = await open.loggedIn('in-use@example.com');
    await open.register('in-use@example.com', STRANGERS);
    const token = await tokenFor('in-use@example.com', 2);
    expect((await open.post('verify-email', { token, password: STRANGERS })).body.errorCode).toBe('password_mismatch');
    expect((await open.post('verify-email', { token, password: PASSWORD })).status).toBe(200);
    expect((await owner.send('/account')).body).toMatchObject({ verified: true });
    await open.loggedIn('in-use@example.com');
    await expect(open.loggedIn('in-use@example.com', STRANGERS)).rejects.toThrow('invalid_credentials');
  });

  it('takes an account back that a stranger has registered and uses', async () => {
    await open.register('taken@example.com', STRANGERS);
    const stranger = await open.loggedIn('taken@example.com', STRANGERS);
    const me = await stranger.send('/account');
    expect(await open.test.app.get(KnownDevices).list(String(me.body.id))).toHaveLength(1);
    await open.register('taken@example.com');
    const token = await tokenFor('taken@example.com', 2);
    expect((await open.post('verify-email', { token, password: PASSWORD })).body.errorCode).toBe('password_mismatch');
    expect((await open.post('verify-email', { token, newPassword: PASSWORD })).status).toBe(200);
    expect((await stranger.send('/account')).status).toBe(401);
    // Nor are the stranger's wrong passwords counted apart from now on.
    expect(await open.test.app.get(KnownDevices).list(String(me.body.id))).toEqual([]);
    await open.loggedIn('taken@example.com');
  });

  it('works after two registrations at once and a mail that was sent again', async () => {
    await Promise.all([app.register('twice@example.com'), app.register('twice@example.com')]);
    await app.verificationMail('twice@example.com', 2);
    await app.post('send-verification', { email: 'twice@example.com' });
    const token = await tokenFor('twice@example.com', 3);
    expect((await verify({ token, password: PASSWORD })).status).toBe(200);
    expect((await login('twice@example.com', PASSWORD)).status).toBe(200);
  });

  it.each([' ', '\r\n', '.', '>', ').', '”', ' ,'])('works with %j after it, as mail programs add it', async junk => {
    const email = `junk-${junk.codePointAt(0)}-${junk.length}@example.com`;
    await app.register(email);
    const token = await tokenFor(email);
    expect((await verify({ token: `${token}${junk}`, password: PASSWORD })).status).toBe(200);
    const reset = await app.recoveryToken(email);
    const answer = await app.post('reset-password', { token: `${reset}${junk}`, password: OTHER_PASSWORD });
    expect(answer.status).toBe(204);
  });

  it('a used link to a new password says so, also to the second of two requests at once', async () => {
    await app.member('strict-mode@example.com');
    const token = await app.recoveryToken('strict-mode@example.com');
    const reset = () => app.post('reset-password', { token, password: OTHER_PASSWORD });
    const answers = [...(await Promise.all([reset(), reset()])), await reset()];
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400]);
    const refused = answers.filter(({ status }) => status === 400).map(({ body }) => body);
    for (const body of refused)
      expect(body).toMatchObject({ errorCode: 'token_used', message: expect.stringMatching(/already used.*log in/) });
  });

  it('is not needed for ever: an address whose owner never answers is free again after some days', async () => {
    await app.register('abandoned@example.com', STRANGERS);
    const used = await open.accounts.register({ email: 'unverified-but-used@example.com', password: PASSWORD });
    expect(used).toBeUndefined();
    await open.loggedIn('unverified-but-used@example.com');
    const emails = async () =>
      (await app.test.database.query<{ email: string }>('SELECT email FROM jwt_account')).map(({ email }) => email);
    await app.test.clock.advance('6d');
    await app.cleanUp();
    expect(await emails()).toContain('abandoned@example.com');
    await app.test.clock.advance('25h');
    await app.cleanUp();
    expect(await emails()).not.toContain('abandoned@example.com');
    expect(await emails()).toContain('unverified-but-used@example.com');
    expect(await app.test.database.query('SELECT 1 FROM jwt_account_registration')).toEqual([]);
  });
});
