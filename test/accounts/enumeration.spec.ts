import { describe, expect, it, jest } from '@jest/globals';
import { Argon2Hasher, PasswordHasher } from 'nestjs-jwt-session/accounts';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, DEVICE_COOKIE, FAST, OTHER_PASSWORD, PASSWORD, withFastHashes } from './account-app.js';

describe.each(PLATFORMS)('F24: whether an address has an account, on %s', platform => {
  it('is not told by the time of a login after the parameters of hashes were raised', async () => {
    const app = await AccountApp.start({ platform });
    await app.member('former@example.com');
    const raised = new Argon2Hasher({ ...FAST, timeCost: 2 });
    await raised.onModuleInit();
    const { database, clock } = app.test;
    const second = await AccountApp.start({
      platform,
      database,
      clock,
      inbox: app.inbox,
      override: builder => {
        withFastHashes(builder);
        builder.overrideProvider(PasswordHasher).useValue(raised);
      },
    });
    await second.member('present@example.com');
    const verify = jest.spyOn(raised, 'verify');
    /** Which kinds of hashes a login with a wrong password verifies. */
    const costOf = async (email: string) => {
      verify.mockClear();
      await second.post('login', { email, password: OTHER_PASSWORD });
      return verify.mock.calls.map(([hash]) => /t=\d/.exec(hash)![0]).sort();
    };
    for (const email of ['unknown@example.com', 'former@example.com', 'present@example.com', 'unknown@example.com']) {
      expect([email, await costOf(email)]).toEqual([email, ['t=1', 't=1', 't=2', 't=2']]);
    }
    verify.mockRestore();
    await second.close();
    await app.close();
  });

  it('is not told by a registration and a login with its password, nor by their cost', async () => {
    const app = await AccountApp.start({ platform });
    await app.member('known@example.com');
    const hasher = app.test.app.get(PasswordHasher);
    const answers = [];
    for (const email of ['known@example.com', 'unknown@example.com']) {
      await app.register(email, OTHER_PASSWORD);
      const verify = jest.spyOn(hasher, 'verify');
      const { status, body } = await app.post('login', { email, password: OTHER_PASSWORD });
      const wrong = await app.post('login', { email, password: 'another wrong password' });
      answers.push({ status, body, wrong: wrong.body, verified: verify.mock.calls.length });
      verify.mockRestore();
    }
    expect(answers[0]).toMatchObject({ status: 403, body: { errorCode: 'email_not_verified' } });
    expect(answers[0]).toEqual(answers[1]);
    // The owner is not kept out by it.
    await app.loggedIn('known@example.com', PASSWORD);
    await app.close();
  });

  it('is not told by the statements of a login, also in a browser that knows a device', async () => {
    const app = await AccountApp.start({ platform });
    await app.member('known@example.com');
    await app.member('other@example.com');
    const client = await app.loggedIn('other@example.com');
    const requests: Record<string, string>[] = [{}, { cookie: `${DEVICE_COOKIE}=${client.jar.get(DEVICE_COOKIE)}` }];
    for (const headers of requests) {
      const statementsOf = async (email: string) => {
        const all = await statementsDuring(app.test, () =>
          app.post('login', { email, password: OTHER_PASSWORD }, headers),
        );
        // What a timer sends.
        return all.filter(statement => !statement.includes('jwt_account_mail'));
      };
      const ofKnown = await statementsOf('known@example.com');
      expect(ofKnown.some(statement => statement.includes('device'))).toBe('cookie' in headers);
      expect(await statementsOf('unknown@example.com')).toEqual(ofKnown);
    }
    await app.close();
  });
});
