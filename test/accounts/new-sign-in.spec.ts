import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { KnownDevices, SessionExchange, SessionService } from 'nestjs-jwt-session';
import { AttemptStore } from 'nestjs-jwt-session/accounts';
import { type Answer, CookieClient } from '../support/client.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, DEVICE_COOKIE, OTHER_PASSWORD, PASSWORD, sessionCookiesOf } from './account-app.js';
import { linkOf, tokenOf } from './inbox.js';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

describe.each(PLATFORMS)('F24: a login to an account on a new device, on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    const limits = { perAccount: 3, perAddress: 100_000 };
    app = await AccountApp.start({ platform, accounts: { attempts: { logIn: { perAccount: 50 }, mail: limits } } });
  });
  afterAll(() => app?.close());

  const notice = (email: string, count = 1) => app.inbox.wait(email, /^New sign-in/, count);
  const notices = (email: string) => app.inbox.to(email).filter(({ subject }) => subject?.startsWith('New sign-in'));
  const end = (token: string) => app.post('end-session', { token });
  const isOpen = async (client: CookieClient) => (await client.send('/account')).status === 200;

  async function logIn(email: string, client = app.client(), headers: Record<string, string> = {}): Promise<Answer> {
    const body = { email, password: PASSWORD };
    const answer = await client.send('/account/login', { method: 'POST', body, headers });
    expect(answer.status).toBe(200);
    return answer;
  }

  /** An owner with a known device and an open session on it. */
  async function owner(email: string): Promise<CookieClient> {
    await app.member(email);
    const client = app.client();
    await logIn(email, client);
    await app.test.advance('2m');
    return client;
  }

  /** Somebody else who knows the password; the link that the owner gets. */
  async function intruder(email: string): Promise<{ client: CookieClient; token: string }> {
    const client = app.client();
    await logIn(email, client);
    return { client, token: tokenOf(await notice(email)) };
  }

  it('is told to the owner with browser, time and address; the first login and known devices are not', async () => {
    const own = await owner('told@example.com');
    await logIn('told@example.com', own);
    await app.outbox.drain();
    expect(notices('told@example.com')).toEqual([]);

    const other = app.client();
    const answer = await logIn('told@example.com', other, { 'user-agent': FIREFOX });
    expect(Object.keys(answer.body).sort()).toEqual(['account', 'expiresAt', 'expiresIn']);
    const mail = await notice('told@example.com');
    expect(mail.subject).toBe('New sign-in from Firefox on Linux at The Garden');
    expect(mail.text).toMatch(/^Firefox on Linux, 127\.0\.0\.1, \d+ \w+ \d{4} at \d\d:\d\d UTC$/m);
    expect(linkOf(mail)).toMatchObject({ origin: 'https://garden.example', pathname: '/end-session', search: '' });
    await logIn('told@example.com', other);
    await app.outbox.drain();
    expect(notices('told@example.com')).toHaveLength(1);
  });

  it('the link ends that session without a login, once, and makes its device a new one', async () => {
    const own = await owner('ends@example.com');
    const { client, token } = await intruder('ends@example.com');
    expect(await isOpen(client)).toBe(true);
    expect((await end(token)).status).toBe(204);
    expect((await client.send('/account')).body.errorCode).toBe('session_revoked');
    expect((await client.refresh()).status).toBe(401);
    expect(await isOpen(own)).toBe(true);
    const reported = app.accountEvents.flatMap(event => (event.type === 'account.sign-in-reported' ? [event] : []));
    const { sessionId, ended } = reported.at(-1)!;
    expect(ended).toBe(1);
    const revoked = { type: 'session.revoked', sessionIds: [sessionId], reason: 'sign-in-reported' };
    expect(app.test.events).toContainEqual(expect.objectContaining(revoked));
    expect(await end(token)).toMatchObject({ status: 400, body: { errorCode: 'token_used' } });
    await logIn('ends@example.com', client);
    await notice('ends@example.com', 2);
  });

  it('the link also ends what the intruder has put in the place of that session, and what began later', async () => {
    const own = await owner('evades@example.com');
    const { client, token } = await intruder('evades@example.com');
    const renewal = { method: 'POST', body: { password: PASSWORD } };
    expect((await client.send('/account/reauthenticate', renewal)).status).toBe(200);
    const copy = app.client();
    copy.jar.set(DEVICE_COOKIE, client.jar.get(DEVICE_COOKIE)!);
    await logIn('evades@example.com', copy);
    expect((await end(token)).status).toBe(204);
    expect([await isOpen(client), await isOpen(copy), await isOpen(own)]).toEqual([false, false, true]);
    expect(app.accountEvents.at(-1)).toMatchObject({ type: 'account.sign-in-reported', ended: 2 });
  });

  it('the link ends all sessions where an intruder has begun so many that it would fail', async () => {
    const own = await owner('many@example.com');
    const id = String((await own.send('/account')).body.id);
    const { client, token } = await intruder('many@example.com');
    for (let n = 0; n < 50; n++) await app.test.sessions.logIn(id);
    expect((await end(token)).status).toBe(204);
    expect([await isOpen(client), await isOpen(own)]).toEqual([false, false]);
    expect(app.accountEvents.at(-1)).toMatchObject({ type: 'account.sign-in-reported', ended: 52 });
  });

  it('of two clicks at once one is told that the link was used', async () => {
    await owner('twice@example.com');
    const { token } = await intruder('twice@example.com');
    const answers = await Promise.all([end(token), end(token), end(token)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400]);
  });

  it('a token of another purpose, of nothing or past its time ends nothing', async () => {
    const own = await owner('wrong@example.com');
    const { client, token } = await intruder('wrong@example.com');
    const recovery = await app.recoveryToken('wrong@example.com');
    for (const wrong of [recovery, 'A'.repeat(43), 'x']) {
      expect(await end(wrong)).toMatchObject({ status: 400, body: { errorCode: 'token_invalid' } });
    }
    const reset = await app.post('reset-password', { token, password: OTHER_PASSWORD });
    expect(reset).toMatchObject({ status: 400, body: { errorCode: 'token_invalid' } });
    expect((await end('')).body.errorCode).toBe('invalid_input');
    expect([await isOpen(client), await isOpen(own)]).toEqual([true, true]);
    await app.test.advance('7d');
    expect((await end(token)).body.errorCode).toBe('token_invalid');
  });

  it('a change of password or address by the intruder takes the link away from nobody', async () => {
    await owner('survives@example.com');
    const { client, token } = await intruder('survives@example.com');
    const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD };
    expect((await client.send('/account/password', { method: 'POST', body: change })).status).toBe(204);
    expect((await end(token)).status).toBe(204);
    expect(await isOpen(client)).toBe(false);
  });

  it('a change of the address makes other devices unknown', async () => {
    const own = await owner('moves@example.com');
    const id = String((await own.send('/account')).body.id);
    const { client } = await intruder('moves@example.com');
    const devices = app.test.app.get(KnownDevices);
    expect(await devices.list(id)).toHaveLength(2);
    const body = { email: 'moved@example.com', password: PASSWORD };
    await own.send('/session/logout', { method: 'POST' });
    await logIn('moves@example.com', own);
    expect((await own.send('/account/email', { method: 'POST', body })).status).toBe(202);
    const token = tokenOf(await app.inbox.wait('moved@example.com', /^Confirm your new/));
    const confirm = { method: 'POST', body: { token, password: PASSWORD } };
    expect((await own.send('/account/confirm-email', confirm)).status).toBe(200);
    expect(await devices.list(id)).toHaveLength(1);
    await logIn('moved@example.com', client);
    await notice('moved@example.com');
  });

  it('a bearer client keeps a device token; without it each login is told, within the limit of mails', async () => {
    await owner('bearer@example.com');
    const bearer = { 'session-transport': 'bearer' };
    const first = await logIn('bearer@example.com', app.client(), bearer);
    expect(first.body).not.toHaveProperty('newDevice');
    const device = { ...bearer, 'session-device': String(first.body.deviceToken) };
    for (let n = 0; n < 5; n++) await logIn('bearer@example.com', app.client(), device);
    await app.outbox.drain();
    expect(notices('bearer@example.com')).toHaveLength(1);
    for (let n = 0; n < 5; n++) await logIn('bearer@example.com', app.client(), bearer);
    await notice('bearer@example.com', 3);
    await app.outbox.drain();
    expect(notices('bearer@example.com')).toHaveLength(3);
    expect(app.accountEvents).toContainEqual({ type: 'attempts.limited', operation: 'mail', by: 'account' });
    // Neither the way back in nor the logins of the owner are limited by it.
    await app.recoveryToken('bearer@example.com');
  });

  it('a name that a mail program could turn into a link is left out, and sessions that ended at once are told', async () => {
    await owner('link@example.com');
    const headers = { 'user-agent': 'evil.example/1.0' };
    const [open, ended] = [app.client(), app.client()];
    await logIn('link@example.com', open, headers);
    await logIn('link@example.com', ended, headers);
    expect((await ended.send('/session/logout', { method: 'POST' })).status).toBe(204);
    await notice('link@example.com', 2);
    for (const { subject, text, html } of notices('link@example.com')) {
      expect(subject).toBe('New sign-in at The Garden');
      expect(`${text}${html}`).not.toContain('evil');
      expect(text).toContain('127.0.0.1');
    }
  });

  it('nobody gets tokens of a login that cannot be told to the owner', async () => {
    const own = await owner('untold@example.com');
    const id = String((await own.send('/account')).body.id);
    const store = app.test.app.get(AttemptStore);
    const increment = store.increment.bind(store);
    const spy = jest.spyOn(store, 'increment').mockImplementation((...args) => {
      if (args[4] === 'mail') throw Object.assign(new Error('the connection is lost'), { code: 'ECONNRESET' });
      return increment(...args);
    });
    const client = app.client();
    const body = { email: 'untold@example.com', password: PASSWORD };
    const answer = await client.send('/account/login', { method: 'POST', body });
    spy.mockRestore();
    expect(answer.status).toBe(503);
    expect(sessionCookiesOf(client)).toEqual([]);
    expect(await app.test.app.get(SessionService).list(id)).toHaveLength(1);
    await logIn('untold@example.com', client);
    await notice('untold@example.com');
  });

  it('an application may leave devices alone, and logins of its own have none', async () => {
    const id = await app.member('alone@example.com');
    const input = { email: 'alone@example.com', password: PASSWORD };
    await app.accounts.logIn(input);
    const exchange = new SessionExchange({ headers: {} });
    await app.accounts.logIn(input, { exchange, transport: 'bearer', recognise: false });
    expect(await app.test.app.get(KnownDevices).list(id)).toEqual([]);
  });
});
