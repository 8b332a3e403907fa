import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Attempts } from '../../lib/accounts/account.attempts.js';
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
    expect((await app.post('confirm-email', { token })).status).toBe(200);
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

  it('the former address takes the account back for some days, whatever was done with it meanwhile', async () => {
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
