import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, DEVICE_COOKIE, OTHER_PASSWORD, PASSWORD } from './account-app.js';

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
    forged.jar.set(DEVICE_COOKIE, 'A'.repeat(43));
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

  it.each(['row@example.com', 'no-row@example.com'])(
    '100 wrong passwords in a row for %s, over whatever time, ask for a recovery',
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
