import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PasswordPolicy } from '../../lib/accounts/passwords/password-policy.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, DEVICE_COOKIE, OTHER_PASSWORD, PASSWORD } from './account-app.js';
import { tokenOf } from './inbox.js';

const LIMITS = {
  logIn: { perAccount: 5, perAddress: 20, within: '15m' },
  mail: { perAccount: 3, perAddress: 20, within: '1h' },
};

describe.each(PLATFORMS)('limits of attempts on two processes, %s', platform => {
  let apps: AccountApp[];
  beforeAll(async () => {
    const options = {
      platform,
      trustProxy: true,
      accounts: { attempts: LIMITS },
    };
    const first = await AccountApp.start(options);
    const { database, clock } = first.test;
    apps = [first, await AccountApp.start({ ...options, database, clock, inbox: first.inbox })];
  });
  afterAll(async () => {
    await apps[1]?.close();
    await apps[0]?.close();
  });

  let network = 0;
  /** A client from an address of its own. */
  const from = (address = `10.0.0.${++network}`) => ({ 'x-forwarded-for': address });
  const login = (n: number, email: string, password: string, headers = from()) =>
    apps[n % 2]!.post('login', { email, password }, headers);

  it.each(['known@example.com', 'unknown@example.com'])(
    'wrong passwords for %s, from wherever they come, are counted by both together',
    async email => {
      if (email.startsWith('known')) await apps[0]!.member(email);
      const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => login(n, email, OTHER_PASSWORD)));
      expect(answers.map(({ status }) => status).sort()).toEqual([
        ...Array.from({ length: 5 }, () => 401),
        ...Array.from({ length: 7 }, () => 429),
      ]);
      const blocked = await login(0, email, PASSWORD);
      expect(blocked).toMatchObject({ status: 429, body: { errorCode: 'too_many_attempts' } });
      const retryAfter = Number(blocked.headers.get('retry-after'));
      expect(retryAfter).toBeGreaterThan(800);
      expect(retryAfter).toBeLessThanOrEqual(900);
      expect(blocked.body.retryAfter).toBe(retryAfter);

      await apps[0]!.test.advance('15m');
      expect((await login(1, email, PASSWORD)).status).toBe(email.startsWith('known') ? 200 : 401);
    },
  );

  it('right passwords are not counted, and end the count', async () => {
    await apps[0]!.member('right@example.com');
    const headers = from();
    for (let n = 0; n < 25; n++) expect((await login(n, 'right@example.com', PASSWORD, headers)).status).toBe(200);
    for (let n = 0; n < 4; n++) await login(n, 'right@example.com', OTHER_PASSWORD, headers);
    expect((await login(0, 'right@example.com', PASSWORD, headers)).status).toBe(200);
    for (let n = 0; n < 4; n++) expect((await login(n, 'right@example.com', OTHER_PASSWORD, headers)).status).toBe(401);
  });

  it('a reset lets an owner in whom somebody else’s attempts keep out', async () => {
    await apps[0]!.member('kept-out@example.com');
    for (let n = 0; n < 6; n++) await login(n, 'kept-out@example.com', 'wrong');
    expect((await login(0, 'kept-out@example.com', PASSWORD)).status).toBe(429);
    const token = await apps[0]!.recoveryToken('kept-out@example.com');
    await apps[0]!.post('reset-password', { token, password: OTHER_PASSWORD });
    expect((await login(0, 'kept-out@example.com', OTHER_PASSWORD)).status).toBe(200);
  });

  it('a verification lets an owner in whom attempts from before keep out', async () => {
    for (let n = 0; n < 6; n++) await login(n, 'newcomer@example.com', OTHER_PASSWORD);
    expect((await login(0, 'newcomer@example.com', PASSWORD)).status).toBe(429);
    await apps[0]!.verified('newcomer@example.com');
    expect((await login(0, 'newcomer@example.com', PASSWORD)).status).toBe(200);
  });

  it('an address that the application tells counts alike in every spelling', async () => {
    const ask = (n: number, ip: string) => apps[0]!.accounts.forgotPassword({ email: `ask-${n}@example.com` }, { ip });
    // IPv4 mapped into IPv6, as sockets of both families tell it: each is a client of its own.
    for (let n = 0; n < 22; n++) await ask(n, `::ffff:10.9.0.${n}`);
    for (let n = 1; n < 20; n++) await ask(n + 100, n % 2 ? '::ffff:10.9.0.1' : '10.9.0.1');
    await expect(ask(200, '10.9.0.1')).rejects.toMatchObject({ errorCode: 'too_many_attempts' });
  });

  it('wrong passwords of others keep the owner out neither of a known device nor of an open session', async () => {
    await apps[0]!.member('attacked@example.com');
    const device = await apps[0]!.loggedIn('attacked@example.com');
    const elsewhere = await apps[1]!
      .member('elsewhere@example.com')
      .then(() => apps[1]!.loggedIn('elsewhere@example.com'));
    for (let n = 0; n < 6; n++) await login(n, 'attacked@example.com', OTHER_PASSWORD);
    expect((await login(0, 'attacked@example.com', PASSWORD)).status).toBe(429);

    const again = (client: typeof device, email: string) =>
      client.send('/account/login', { method: 'POST', body: { email, password: PASSWORD }, headers: from() });
    const renewal = { method: 'POST', body: { password: PASSWORD }, headers: from() };
    expect((await device.send('/account/reauthenticate', renewal)).status).toBe(200);
    expect((await device.send('/session/logout', { method: 'POST' })).status).toBe(204);
    expect((await again(device, 'attacked@example.com')).status).toBe(200);
    // The cookie of another account's device, or a made-up one, changes nothing.
    expect((await again(elsewhere, 'attacked@example.com')).status).toBe(429);
    const forged = apps[0]!.client();
    forged.jar.set(DEVICE_COOKIE, 'A'.repeat(24));
    expect((await again(forged, 'attacked@example.com')).status).toBe(429);
  });

  it('a known device and an open session are limited as well', async () => {
    await apps[0]!.member('device@example.com');
    const device = await apps[0]!.loggedIn('device@example.com');
    const body = { email: 'device@example.com', password: OTHER_PASSWORD };
    const copy = device.copy();
    const codes = [];
    for (let n = 0; n < 6; n++) {
      codes.push((await copy.send('/account/login', { method: 'POST', body, headers: from() })).status);
      const renewal = { method: 'POST', body: { password: OTHER_PASSWORD }, headers: from() };
      codes.push((await device.send('/account/reauthenticate', renewal)).status);
    }
    expect(codes.map(code => code === 429)).toEqual([...Array.from({ length: 10 }, () => false), true, true]);
    expect((await login(0, 'device@example.com', PASSWORD)).status).toBe(200);
    expect(apps[0]!.accountEvents).toContainEqual({ type: 'attempts.limited', operation: 'logIn', by: 'device' });
    expect(apps[0]!.accountEvents).toContainEqual({ type: 'attempts.limited', operation: 'logIn', by: 'session' });
  });

  it('a change of the password makes every device unknown but the one on which it is changed', async () => {
    await apps[0]!.member('changed@example.com');
    const [own, other] = [
      await apps[0]!.loggedIn('changed@example.com'),
      await apps[0]!.loggedIn('changed@example.com'),
    ];
    const change = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD };
    expect((await own.send('/account/password', { method: 'POST', body: change, headers: from() })).status).toBe(204);
    for (let n = 0; n < 6; n++) await login(n, 'changed@example.com', PASSWORD);
    const again = (client: typeof own) => {
      const body = { email: 'changed@example.com', password: OTHER_PASSWORD };
      return client.send('/account/login', { method: 'POST', body, headers: from() });
    };
    expect((await again(other)).status).toBe(429);
    expect((await again(own)).status).toBe(200);
  });

  it('guesses by the reader of a link are limited, and keep nobody else out', async () => {
    await apps[0]!.member('guessed-at@example.com');
    const owner = await apps[0]!.loggedIn('guessed-at@example.com');
    const body = { email: 'reader@example.com', password: PASSWORD };
    await owner.send('/account/email', { method: 'POST', body, headers: from() });
    const token = tokenOf(await apps[0]!.inbox.wait('reader@example.com', /^Confirm your new/));
    const confirm = (n: number, password: string) => apps[n % 2]!.post('confirm-email', { token, password }, from());
    const codes = [];
    for (let n = 0; n < 7; n++) codes.push((await confirm(n, OTHER_PASSWORD)).status);
    expect(codes).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(apps[0]!.accountEvents).toContainEqual({ type: 'attempts.limited', operation: 'logIn', by: 'link' });
    expect((await login(0, 'guessed-at@example.com', PASSWORD)).status).toBe(200);
    const renewal = { method: 'POST', body: { password: PASSWORD }, headers: from() };
    expect((await owner.send('/account/reauthenticate', renewal)).status).toBe(200);
    await apps[0]!.test.advance('15m');
    expect((await confirm(0, PASSWORD)).status).toBe(200);
  });

  it.each(['reset-password', 'verify-email', 'undo-email-change'])(
    '%s asks the policy, which blocks the process, a limited number of times for a link',
    async path => {
      const email = `policy-${path}@example.com`;
      const token = await linkTo(path, email);
      const policy = jest.spyOn(apps[0]!.test.app.get(PasswordPolicy), 'check');
      const field = path === 'verify-email' ? 'newPassword' : 'password';
      const codes = [];
      for (let n = 0; n < 7; n++)
        codes.push((await apps[0]!.post(path, { token, [field]: 'passwordpassword' }, from())).status);
      const asked = policy.mock.calls.length;
      policy.mockRestore();
      expect(codes).toEqual([400, 400, 400, 400, 400, 429, 429]);
      expect(asked).toBe(5);
      await apps[0]!.test.advance('15m');
      const accepted = await apps[0]!.post(path, { token, [field]: 'seven bricks in the rain' }, from());
      expect(accepted.status).toBeLessThan(300);
    },
  );

  async function linkTo(path: string, email: string): Promise<string> {
    const [app] = apps as [AccountApp];
    if (path === 'verify-email') {
      await app.post('register', { email, password: PASSWORD }, from());
      return tokenOf(await app.verificationMail(email));
    }
    await app.member(email);
    if (path === 'reset-password') {
      await app.post('forgot-password', { email }, from());
      return tokenOf(await app.inbox.wait(email, /^Choose a new password/));
    }
    const client = await app.loggedIn(email);
    const body = { email: `new-${email}`, password: PASSWORD };
    await client.send('/account/email', { method: 'POST', body, headers: from() });
    const token = tokenOf(await app.inbox.wait(`new-${email}`, /^Confirm your new/));
    await app.post('confirm-email', { token, password: PASSWORD }, from());
    return tokenOf(await app.inbox.wait(email, /was changed/));
  }

  it('a client that registers without end is stopped before its passwords are estimated', async () => {
    const policy = jest.spyOn(apps[0]!.test.app.get(PasswordPolicy), 'check');
    const headers = from('10.9.9.9');
    const register = (n: number, password: string) =>
      apps[0]!.post('register', { email: `flood-${n}@example.com`, password }, headers);
    const codes = [];
    for (let n = 0; n < 22; n++) codes.push((await register(n, 'passwordpassword')).status);
    expect(codes).toEqual([...Array.from({ length: 20 }, () => 400), 429, 429]);
    expect(policy).toHaveBeenCalledTimes(20);
    // A text that no password can be is refused before anything else.
    expect((await register(0, 'x'.repeat(5000))).status).toBe(400);
    expect(policy).toHaveBeenCalledTimes(20);
    policy.mockRestore();
  });

  it('refused passwords use up none of the mails to an address', async () => {
    const register = (password: string) => apps[0]!.post('register', { email: 'choosy@example.com', password }, from());
    for (let n = 0; n < 5; n++) expect((await register('passwordpassword')).status).toBe(400);
    expect((await register(PASSWORD)).status).toBe(202);
  });

  it.each(['row@example.com', 'no-row@example.com'])(
    '100 wrong passwords in a row for %s, over any time, require a recovery',
    async email => {
      if (email.startsWith('row')) await apps[0]!.member(email);
      for (let n = 0; n < 100; n++) {
        if (n % 5 === 0) await apps[0]!.test.advance('3d');
        expect((await login(n, email, OTHER_PASSWORD)).status).toBe(401);
      }
      await apps[0]!.test.advance('1d');
      const refused = await login(0, email, PASSWORD);
      expect(refused).toMatchObject({ status: 403, body: { errorCode: 'recovery_required' } });
      if (!email.startsWith('row')) return;
      const token = await apps[0]!.recoveryToken(email);
      await apps[0]!.post('reset-password', { token, password: OTHER_PASSWORD });
      expect((await login(0, email, OTHER_PASSWORD)).status).toBe(200);
    },
  );

  it('one client that tries many accounts is stopped, also from the many addresses of its IPv6 network', async () => {
    const codes: number[] = [];
    for (let n = 0; n < 22; n++) {
      const headers = from(`2001:db8:7::${n.toString(16)}:1`);
      codes.push((await login(n, `account-${n}@example.com`, OTHER_PASSWORD, headers)).status);
    }
    expect(codes).toEqual([...Array.from({ length: 20 }, () => 401), 429, 429]);
    expect((await login(0, 'other@example.com', OTHER_PASSWORD, from('2001:db8:7:1::1'))).status).toBe(401);
  });

  it('nobody can fill a mailbox: mails to an address are limited, known or not', async () => {
    await apps[0]!.register('full@example.com');
    for (const path of ['send-verification', 'forgot-password']) {
      for (const email of ['full@example.com', 'empty@example.com']) {
        const answers = [];
        for (let n = 0; n < 5; n++) answers.push(await apps[n % 2]!.post(path, { email }, from()));
        // The registration counts, but not against a recovery: strangers could use up the way back in.
        const accepted = email.startsWith('full') && path === 'send-verification' ? 2 : 3;
        expect(answers.map(({ status }) => status).filter(status => status === 202)).toHaveLength(accepted);
        expect(answers.at(-1)).toMatchObject({ status: 429, body: { errorCode: 'too_many_attempts' } });
      }
    }
  });
});
