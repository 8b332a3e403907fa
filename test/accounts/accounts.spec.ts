import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DataSource } from 'typeorm';
import { MailTokens } from '../../lib/accounts/mail/mail-tokens.js';
import { CookieClient } from '../support/client.js';
import { untilWaiting } from '../support/races.js';
import { PLATFORMS } from '../support/test-app.js';
import { until } from '../support/until.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD, sessionCookiesOf } from './account-app.js';
import { linkOf, tokenOf } from './inbox.js';

describe.each(PLATFORMS)('F24: an account on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
  });
  afterAll(() => app?.close());

  const login = (email: string, password = PASSWORD) => app.post('login', { email, password });
  const confirmMail = (address: string, count = 1) => app.inbox.wait(address, /^Confirm your new/, count);

  it('F16: a device that logged in is listed by its browser', async () => {
    await app.member('device@example.com');
    const body = { email: 'device@example.com', password: PASSWORD };
    const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' };
    const client = new CookieClient(app.test.url);
    expect(await client.send('/account/login', { method: 'POST', body, headers })).toMatchObject({ status: 200 });
    expect((await client.send('/session/devices')).body).toMatchObject([{ label: 'Firefox on Linux', current: true }]);
  });

  it('S09: scenario 17: disabling ends all sessions at once, and refuses logins and refreshes', async () => {
    const id = await app.member('disable@example.com');
    const clients = [await app.loggedIn('disable@example.com'), await app.loggedIn('disable@example.com')];
    expect(await app.accounts.disable(id)).toBe(true);
    for (const client of clients) {
      expect(await client.send('/account')).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
      expect((await client.refresh()).status).toBe(401);
      expect(sessionCookiesOf(client)).toEqual([]);
    }
    expect(await login('disable@example.com')).toMatchObject({ status: 403, body: { errorCode: 'account_disabled' } });
    expect((await login('disable@example.com', OTHER_PASSWORD)).body.errorCode).toBe('invalid_credentials');
    await app.post('forgot-password', { email: 'disable@example.com' });
    await app.outbox.drain();
    const subjects = app.inbox.to('disable@example.com').map(({ subject }) => subject);
    expect(subjects).toEqual([expect.stringMatching(/^New sign-in/)]);

    expect(await app.accounts.enable(id)).toBe(true);
    expect((await login('disable@example.com')).status).toBe(200);
    for (const unknown of ['00000000-0000-7000-8000-000000000000', 'ada']) {
      expect([await app.accounts.disable(unknown), await app.accounts.enable(unknown)]).toEqual([false, false]);
    }
  });

  it('scenario 17: the role is read again at refresh, and an account that is gone is refused and wiped', async () => {
    const id = await app.member('role@example.com');
    const client = await app.loggedIn('role@example.com');
    expect(await app.accounts.setRole(id, 'admin')).toBe(true);
    // Its access token ended with the old role.
    expect(await client.send('/session')).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
    await client.refresh();
    expect((await client.send('/session')).body.claims).toEqual({ role: 'admin' });
    // Behind the module's back, as a script would.
    await app.test.database.query('DELETE FROM jwt_account WHERE id = $1', [id]);
    expect((await client.refresh()).status).toBe(401);
    expect(await app.test.sessions.list(id)).toEqual([]);
  });

  it.each([
    ['is disabled', 'disabled_at = now()'],
    ['loses its role', "role = 'guest'"],
    [
      'gets another password',
      "password_hash = (SELECT password_hash FROM jwt_account WHERE email = 'other-hash@example.com')",
    ],
  ])('a login that was under way while the account %s leaves no session and no cookies', async (what, change) => {
    const email = `under-way-${what.length}@example.com`;
    const id = await app.member(email);
    await app.member('other-hash@example.com', OTHER_PASSWORD);
    const { sessions } = app.test;
    // A change of the account ends its sessions in the same transaction, and cannot see a session that begins just
    // then.
    const logIn = sessions.logIn.bind(sessions);
    const spy = jest.spyOn(sessions, 'logIn').mockImplementation(async (...parameters) => {
      const tokens = await logIn(...parameters);
      await app.test.database.query(`UPDATE jwt_account SET ${change} WHERE id = $1`, [id]);
      return tokens;
    });
    const client = app.client();
    const answer = await client.send('/account/login', { method: 'POST', body: { email, password: PASSWORD } });
    spy.mockRestore();
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'invalid_credentials' } });
    expect(await sessions.list(id)).toEqual([]);
    expect(sessionCookiesOf(client)).toEqual([]);
  });

  it('a login that is not to be remembered has session cookies that end with the browser', async () => {
    const email = 'shared-computer@example.com';
    await app.member(email);
    const logIn = (remember?: unknown) =>
      app.client().send('/account/login', { method: 'POST', body: { email, password: PASSWORD, remember } });
    const persistent = async (remember?: boolean) =>
      (await logIn(remember)).setCookie.filter(cookie => /token|marker/.test(cookie) && /Max-Age/.test(cookie)).length;
    expect([await persistent(), await persistent(true), await persistent(false)]).toEqual([3, 3, 0]);
    expect(await logIn('false')).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'remember', reason: 'not_a_boolean' }] },
    });
  });

  it('logins and a reset at once leave no session of the old password', async () => {
    const id = await app.member('reset@example.com');
    const token = await app.recoveryToken('reset@example.com');
    const logins = Array.from({ length: 10 }, () => login('reset@example.com'));
    const reset = app.post('reset-password', { token, password: OTHER_PASSWORD });
    await Promise.all([...logins, reset]);
    expect((await reset).status).toBe(204);
    expect(await app.test.sessions.list(id)).toEqual([]);
  });

  it('a login in somebody’s transaction is refused: nobody could end its session before the commit', async () => {
    await app.member('joined@example.com');
    const input = { email: 'joined@example.com', password: PASSWORD };
    const { session } = (await app.accounts.logIn(input)).tokens;
    await app.test.app.get(DataSource).transaction(async manager => {
      await expect(app.accounts.logIn(input, { manager })).rejects.toThrow('takes no "manager"');
      const again = app.accounts.reauthenticate(session, { password: PASSWORD }, { manager });
      await expect(again).rejects.toThrow('takes no "manager"');
    });
  });

  it('a new address counts once it is verified, and the former one is told', async () => {
    await app.member('before@example.com');
    const client = await app.loggedIn('before@example.com');
    const recovery = await app.recoveryToken('before@example.com');
    const asked = await client.send('/account/email', {
      method: 'POST',
      body: { email: 'After@example.com', password: PASSWORD },
    });
    expect(asked).toMatchObject({ status: 202, body: {} });
    const mail = await confirmMail('after@example.com');
    expect(linkOf(mail).pathname).toBe('/confirm-email');
    expect((await login('after@example.com')).status).toBe(401);
    expect((await client.send('/account')).body.email).toBe('before@example.com');

    const token = tokenOf(mail);
    const confirm = () => app.post('confirm-email', { token, password: PASSWORD });
    // Opened by two tabs at once.
    const answers = await Promise.all([confirm(), confirm()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(app.accountEvents.filter(({ type }) => type === 'account.email-changed')).toHaveLength(1);
    expect((await login('after@example.com')).status).toBe(200);
    expect((await login('before@example.com')).status).toBe(401);
    expect((await client.send('/account')).body.email).toBe('After@example.com');
    await app.inbox.wait('before@example.com', /e-mail address .* was changed/);
    // A link that went to the former address leads nowhere.
    expect((await app.post('reset-password', { token: recovery, password: OTHER_PASSWORD })).status).toBe(400);
  });

  it('a password that is changed takes back what still waits to be sent to a new address', async () => {
    const id = await app.member('hijacked@example.com');
    const client = await app.loggedIn('hijacked@example.com');
    app.inbox.refusal = 'the mailbox is locked';
    const delayed = () => app.accountEvents.filter(({ type }) => type === 'mail.delayed').length;
    /** Asks for the new address. The mail was tried, and waits for another attempt. */
    const request = async () => {
      const before = delayed();
      await client.send('/account/email', { method: 'POST', body: { email: 'thief@example.com', password: PASSWORD } });
      await until(async () => delayed() > before);
    };
    await request();
    const waiting = () =>
      app.test.database.query<{ id: string }>("SELECT id FROM jwt_account_mail WHERE kind = 'email-change'");
    const [mail] = await waiting();

    // A process that has just read the account is about to make the link.
    const tokens = app.test.app.get(MailTokens);
    let issued!: Promise<string | undefined>;
    await app.test.app.get(DataSource).transaction(async manager => {
      await tokens.removeLinks(id, { manager });
      issued = tokens.issue(mail!.id, 'change-email', {
        accountId: id,
        email: 'thief@example.com',
        sessionId: null,
      });
      await untilWaiting(app.test.database, 1);
    });
    expect(await issued).toBeUndefined();
    expect(await waiting()).toEqual([]);

    await request();
    const body = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD };
    expect((await client.send('/account/password', { method: 'POST', body })).status).toBe(204);
    expect(await waiting()).toEqual([]);
    app.inbox.refusal = undefined;
    await app.test.clock.advance('1h');
    await app.outbox.drain();
    expect(app.inbox.to('thief@example.com')).toEqual([]);
  });

  it('an address that is somebody else’s is answered alike, and its owner is told; the link of a race is refused', async () => {
    await app.member('mine@example.com');
    await app.member('theirs@example.com');
    const client = await app.loggedIn('mine@example.com');
    const asked = await client.send('/account/email', {
      method: 'POST',
      body: { email: 'Theirs@example.com', password: PASSWORD },
    });
    expect(asked).toMatchObject({ status: 202, body: {} });
    await app.inbox.wait('theirs@example.com', /^You already have an account/);

    await client.send('/account/email', { method: 'POST', body: { email: 'wanted@example.com', password: PASSWORD } });
    const token = tokenOf(await confirmMail('wanted@example.com'));
    await app.member('wanted@example.com');
    expect(await app.post('confirm-email', { token, password: PASSWORD })).toMatchObject({
      status: 409,
      body: { errorCode: 'email_taken' },
    });
    expect((await client.send('/account')).body.email).toBe('mine@example.com');
  });

  it('what needs a recent login is refused without one', async () => {
    await app.member('late@example.com');
    const client = await app.loggedIn('late@example.com');
    await app.test.advance('16m');
    await client.refresh();
    for (const [path, method, body] of [
      ['/account', 'DELETE', { password: PASSWORD }],
      ['/account/email', 'POST', { email: 'x@example.com', password: PASSWORD }],
    ] as const) {
      const answer = await client.send(path, { method, body });
      expect(answer.body.errorCode).toBe('insufficient_user_authentication');
    }
    const anonymous = app.client();
    expect((await anonymous.send('/account', { method: 'DELETE' })).body.errorCode).toBe('session_missing');
    expect((await anonymous.send('/account/export')).body.errorCode).toBe('session_missing');
  });

  it('shows its owner what is stored, without hashes', async () => {
    const id = await app.member('export@example.com');
    const client = await app.loggedIn('export@example.com');
    const [device] = await app.test.sessions.list(id);
    await app.test.sessions.setData(device!.id, { theme: 'dark' });
    const request = { email: 'pending@example.com', password: PASSWORD };
    await client.send('/account/email', { method: 'POST', body: request });
    const { body } = await client.send('/account/export');
    expect(body).toEqual({
      account: {
        id,
        email: 'export@example.com',
        role: 'user',
        verifiedAt: expect.any(String),
        disabledAt: null,
        firstLogInAt: expect.any(String),
        createdAt: expect.any(String),
      },
      pendingEmail: 'pending@example.com',
      sessions: [expect.objectContaining({ ip: '127.0.0.1', claims: { role: 'user' }, data: { theme: 'dark' } })],
      devices: [{ sessionId: device!.id, lastSeenAt: expect.any(String) }],
    });
  });

  it('is deleted with its sessions and links, and the address is free again', async () => {
    const id = await app.member('gone@example.com');
    const [client, other] = [await app.loggedIn('gone@example.com'), await app.loggedIn('gone@example.com')];
    const token = await app.recoveryToken('gone@example.com');
    const deletion = { method: 'DELETE', body: { password: PASSWORD } };
    expect((await client.send('/account', deletion)).status).toBe(204);
    expect(sessionCookiesOf(client)).toEqual([]);
    expect((await other.send('/account')).body.errorCode).toBe('session_revoked');
    await app.inbox.wait('gone@example.com', /was deleted/);
    for (const table of ['jwt_account_token', 'jwt_account_mail']) {
      expect(await app.test.database.query(`SELECT 1 FROM ${table} WHERE account_id = $1`, [id])).toEqual([]);
    }
    expect(await app.test.database.query('SELECT 1 FROM jwt_account WHERE id = $1', [id])).toEqual([]);
    // What remains of its sessions for a day tells nothing of their user.
    expect(await app.test.sessions.export(id)).toMatchObject(
      [1, 2].map(() => ({ ip: null, userAgent: null, claims: {}, revokedReason: 'account-deleted' })),
    );
    expect((await app.post('reset-password', { token, password: OTHER_PASSWORD })).status).toBe(400);
    expect((await login('gone@example.com')).status).toBe(401);
    expect((await app.register('gone@example.com')).status).toBe(202);
  });

  it('a page of another site can neither log in nor act', async () => {
    await app.member('csrf@example.com');
    const client = await app.loggedIn('csrf@example.com');
    const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    const credentials = { email: 'csrf@example.com', password: PASSWORD };
    expect((await app.post('login', credentials, headers)).body.errorCode).toBe('csrf_rejected');
    expect((await client.send('/account', { method: 'DELETE', headers })).body.errorCode).toBe('csrf_rejected');
    expect((await client.send('/account')).status).toBe(200);
  });
});
