import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';

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
    for (const email of ['full@example.com', 'empty@example.com']) {
      const answers = [];
      for (let n = 0; n < 5; n++) answers.push(await apps[n % 2]!.post('forgot-password', { email }, from()));
      const accepted = email.startsWith('full') ? 2 : 3;
      expect(answers.map(({ status }) => status).filter(status => status === 202)).toHaveLength(accepted);
      expect(answers.at(-1)).toMatchObject({ status: 429, body: { errorCode: 'too_many_attempts' } });
    }
  });
});
