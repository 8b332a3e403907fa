import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Attempts } from '../../lib/accounts/account.attempts.js';
import { AccountEditor } from '../../lib/accounts/operations/account-editor.js';
import { PasswordCheck } from '../../lib/accounts/operations/password-check.js';
import type { CookieClient } from '../support/client.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';
import { linkOf, tokenOf } from './inbox.js';

/** Chosen by the thief. */
const THIEFS = 'eleven thieves in a cave';

describe.each(PLATFORMS)('F24: from a stolen session to the account, on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
  });
  afterAll(() => app?.close());

  const requestEmail = (client: CookieClient, email: string, password = PASSWORD) =>
    client.send('/account/email', { method: 'POST', body: { email, password } });

  /** Changes the address by the link of the mail. */
  async function moveTo(client: CookieClient, email: string, password = PASSWORD): Promise<void> {
    expect((await requestEmail(client, email, password)).status).toBe(202);
    const token = tokenOf(await app.inbox.wait(email, /^Confirm your new/));
    expect((await app.post('confirm-email', { token, password })).status).toBe(200);
  }

  const noticeTo = (email: string, count = 1) => app.inbox.wait(email, /e-mail address .* was changed/, count);

  it.each([undefined, {}, { password: OTHER_PASSWORD }])(
    'an access token without the password (%j) neither changes the address nor deletes the account',
    async credentials => {
      const email = `guarded-${JSON.stringify(credentials)?.length}@example.com`;
      await app.member(email);
      const client = await app.loggedIn(email);
      const status = credentials && 'password' in credentials ? 401 : 400;
      const body = { email: 'thief@example.com', ...credentials };
      expect((await client.send('/account/email', { method: 'POST', body })).status).toBe(status);
      expect((await client.send('/account', { method: 'DELETE', body: credentials })).status).toBe(status);
      expect((await client.send('/account')).body.email).toBe(email);
      await app.outbox.drain();
      expect(app.inbox.to('thief@example.com')).toEqual([]);
    },
  );

  it('a change of the address ends the other sessions', async () => {
    await app.member('others@example.com');
    const [client, other] = [await app.loggedIn('others@example.com'), await app.loggedIn('others@example.com')];
    await moveTo(client, 'others-2@example.com');
    expect((await client.send('/account')).body.email).toBe('others-2@example.com');
    expect((await other.send('/account')).body.errorCode).toBe('session_revoked');
  });

  it('the former address takes the account back for some days, after any changes meanwhile', async () => {
    const id = await app.member('owner@example.com');
    const thief = await app.loggedIn('owner@example.com');
    await moveTo(thief, 'thief-1@example.com');
    const link = linkOf(await noticeTo('owner@example.com'));
    expect(link.pathname).toBe('/undo-email-change');
    const token = link.hash.replace('#token=', '');

    // The thief goes on: another password, another address, and the former one is registered so that it is taken.
    const change = { currentPassword: PASSWORD, newPassword: THIEFS };
    expect((await thief.send('/account/password', { method: 'POST', body: change })).status).toBe(204);
    await moveTo(thief, 'thief-2@example.com', THIEFS);
    await app.register('owner@example.com', THIEFS);
    const again = await noticeTo('thief-1@example.com');
    expect(again.text).not.toContain('#token=');

    await app.test.advance('6d');
    const weak = await app.post('undo-email-change', { token, password: 'passwordpassword' });
    expect(weak).toMatchObject({ status: 400, body: { errors: [{ field: 'password', reason: 'guessable' }] } });
    expect(await app.post('undo-email-change', { token, password: OTHER_PASSWORD })).toMatchObject({
      status: 200,
      body: { email: 'owner@example.com' },
    });
    expect((await thief.refresh()).status).toBe(401);
    for (const email of ['thief-1@example.com', 'thief-2@example.com', 'owner@example.com']) {
      expect((await app.post('login', { email, password: THIEFS })).status).toBe(401);
    }
    const owner = await app.loggedIn('owner@example.com', OTHER_PASSWORD);
    expect((await owner.send('/account')).body).toMatchObject({ id, email: 'owner@example.com' });
    const used = await app.post('undo-email-change', { token, password: THIEFS });
    expect(used).toMatchObject({ status: 400, body: { errorCode: 'token_used' } });
    expect(app.accountEvents).toContainEqual(
      expect.objectContaining({ type: 'account.email-changed', accountId: id, cause: 'undo' }),
    );
  });

  it('an address is not confirmed by its link alone: a person who follows the link of another person gives nothing away', async () => {
    await app.member('asking@example.com');
    const client = await app.loggedIn('asking@example.com');
    await requestEmail(client, 'scanned@example.com');
    const token = tokenOf(await app.inbox.wait('scanned@example.com', /^Confirm your new/));
    for (const [body, status, errorCode] of [
      [{}, 400, 'invalid_input'],
      [{ password: '' }, 400, 'invalid_input'],
      [{ password: OTHER_PASSWORD }, 401, 'invalid_credentials'],
    ] as const) {
      // The cookies of the session that asked do not replace the password either.
      for (const answer of [
        await app.post('confirm-email', { token, ...body }),
        await client.send('/account/confirm-email', { method: 'POST', body: { token, ...body } }),
      ])
        expect(answer).toMatchObject({ status, body: { errorCode } });
    }
    expect((await client.send('/account')).body.email).toBe('asking@example.com');
    expect((await app.post('confirm-email', { token, password: PASSWORD })).status).toBe(200);
    // A second click changes nothing, so that it needs no right password.
    expect((await app.post('confirm-email', { token, password: OTHER_PASSWORD })).status).toBe(200);
  });

  it('the undo of a change takes the address from a stranger who registers it at the same moment', async () => {
    const id = await app.member('contested@example.com');
    await moveTo(await app.loggedIn('contested@example.com'), 'thief-5@example.com');
    const token = tokenOf(await noticeTo('contested@example.com'));
    const editor = app.test.app.get(AccountEditor);
    const redeem = editor.redeem.bind(editor);
    let strangers = 0;
    const barrier = jest.spyOn(editor, 'redeem').mockImplementation(async (...args) => {
      if (strangers++ < 2) await app.accounts.register({ email: 'contested@example.com', password: THIEFS });
      return redeem(...args);
    });
    const answer = await app.post('undo-email-change', { token, password: OTHER_PASSWORD });
    barrier.mockRestore();
    expect(answer).toMatchObject({ status: 200, body: { email: 'contested@example.com' } });
    expect(strangers).toBe(3);
    const owner = await app.loggedIn('contested@example.com', OTHER_PASSWORD);
    expect((await owner.send('/account')).body.id).toBe(id);
    await expect(app.loggedIn('contested@example.com', THIEFS)).rejects.toThrow('email_not_verified');
  });

  it('a change of the address and a deletion at once are told to the former address', async () => {
    await app.member('silenced@example.com');
    const thief = await app.loggedIn('silenced@example.com');
    // The mail server is away, so that the notice of the change still waits when the account is deleted.
    await requestEmail(thief, 'thief-6@example.com');
    const token = tokenOf(await app.inbox.wait('thief-6@example.com', /^Confirm your new/));
    app.inbox.refusal = 'try later';
    try {
      expect((await app.post('confirm-email', { token, password: PASSWORD })).status).toBe(200);
      await app.outbox.drain();
      expect((await thief.send('/account', { method: 'DELETE', body: { password: PASSWORD } })).status).toBe(204);
      await app.outbox.drain();
    } finally {
      app.inbox.refusal = undefined;
    }
    await app.test.advance('1h');
    await app.outbox.drain();
    for (const email of ['silenced@example.com', 'thief-6@example.com']) await app.inbox.wait(email, /was deleted/);

    // Also where the notice has arrived: its link does not work any more.
    await app.member('told@example.com');
    const again = await app.loggedIn('told@example.com');
    await moveTo(again, 'thief-7@example.com');
    await noticeTo('told@example.com');
    await again.send('/account', { method: 'DELETE', body: { password: PASSWORD } });
    await app.inbox.wait('told@example.com', /was deleted/);
  });

  it('an account is not deleted by a password that is replaced at the same moment', async () => {
    await app.member('rescued@example.com');
    const thief = await app.loggedIn('rescued@example.com');
    const token = await app.recoveryToken('rescued@example.com');
    const check = app.test.app.get(PasswordCheck);
    const requirePassword = check.requirePassword.bind(check);
    // The owner resets the password when the thief has already proved the former one.
    const barrier = jest.spyOn(check, 'requirePassword').mockImplementation(async (...args) => {
      const proved = await requirePassword(...args);
      await app.post('reset-password', { token, password: OTHER_PASSWORD });
      return proved;
    });
    const answer = await thief.send('/account', { method: 'DELETE', body: { password: PASSWORD } });
    barrier.mockRestore();
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'invalid_credentials' } });
    await app.loggedIn('rescued@example.com', OTHER_PASSWORD);
  });

  it('a reset takes back a change of the address that is being asked for at the same time', async () => {
    await app.member('overtaken@example.com');
    const thief = await app.loggedIn('overtaken@example.com');
    const token = await app.recoveryToken('overtaken@example.com');
    const attempts = app.test.app.get(Attempts);
    const consume = attempts.consume.bind(attempts);
    // The owner resets the password when the thief has already proved the former one.
    const barrier = jest.spyOn(attempts, 'consume').mockImplementation(async (operation, ...rest) => {
      await consume(operation, ...rest);
      if (operation === 'mail') await app.post('reset-password', { token, password: OTHER_PASSWORD });
    });
    const answer = await requestEmail(thief, 'thief-3@example.com');
    barrier.mockRestore();
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'invalid_credentials' } });
    await app.outbox.drain();
    expect(app.inbox.to('thief-3@example.com')).toEqual([]);
    await app.loggedIn('overtaken@example.com', OTHER_PASSWORD);
  });

  it('a thief who waits for the end of an earlier link gains nothing: a change renews it', async () => {
    await app.member('moved@example.com');
    await moveTo(await app.loggedIn('moved@example.com'), 'moved-2@example.com');
    const token = tokenOf(await noticeTo('moved@example.com'));
    await app.test.advance('6d');
    await moveTo(await app.loggedIn('moved-2@example.com'), 'thief-4@example.com');
    await noticeTo('moved-2@example.com');
    await app.test.advance('6d');
    expect((await app.post('undo-email-change', { token, password: OTHER_PASSWORD })).status).toBe(200);
  });

  it('not for ever, and not for another account', async () => {
    await app.member('late@example.com');
    await moveTo(await app.loggedIn('late@example.com'), 'late-2@example.com');
    const token = tokenOf(await noticeTo('late@example.com'));
    await app.member('late@example.com');
    expect((await app.post('undo-email-change', { token, password: OTHER_PASSWORD })).body.errorCode).toBe(
      'email_taken',
    );
    await app.loggedIn('late@example.com');
    await app.loggedIn('late-2@example.com');
    await app.test.advance('8d');
    expect((await app.post('undo-email-change', { token, password: OTHER_PASSWORD })).body.errorCode).toBe(
      'token_invalid',
    );
  });
});
