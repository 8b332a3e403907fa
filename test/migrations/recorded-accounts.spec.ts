import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { ACCOUNT_MIGRATIONS } from 'nestjs-jwt-session/accounts';
import { AccountApp, OTHER_PASSWORD } from '../accounts/account-app.js';
import { tokenOf } from '../accounts/inbox.js';
import { TestDatabase } from '../support/database.js';
import { NestjsJwtSession2000000000000, NestjsJwtSessionAccounts2000000000001 } from './next-version.js';
import { RECORDINGS } from './recordings.js';

const SCHEMAS = [
  ['this version', []],
  // As the older processes meet it during a rolling update.
  ['a later version', [NestjsJwtSession2000000000000, NestjsJwtSessionAccounts2000000000001]],
] as const;

const CASES = RECORDINGS.flatMap(recording =>
  SCHEMAS.map(schema => [recording.version, ...schema, recording] as const),
);

describe.each(CASES)('accounts of version %s on the schema of %s', (_, __, later, recording) => {
  const { id, refreshToken, password, ...links } = recording.accounts;
  let database: TestDatabase;
  let app: AccountApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    await recording.load(database);
    app = await AccountApp.start({
      database,
      clock: await recording.clock(database),
      session: { secret: recording.secret },
      accounts: { attempts: undefined },
      typeorm: { migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS, ...later] },
      // The hashes are those of an application, made at full cost.
      override: () => undefined,
    });
  });
  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  const logIn = (name: string, withPassword = password) =>
    app.accounts.logIn({ email: `${name}@garden.example`, password: withPassword });

  it('log in by the recorded password, and by no other', async () => {
    const { account, tokens } = await logIn('ada');
    expect(account).toMatchObject({ id, email: 'Ada@garden.example', role: 'user' });
    expect(tokens.session).toMatchObject({ userId: id, claims: { role: 'user' } });
    await expect(logIn('ada', OTHER_PASSWORD)).rejects.toMatchObject({ errorCode: 'invalid_credentials' });
  });

  it('are refused as before, and guesses continue to be counted', async () => {
    await expect(logIn('disabled')).rejects.toMatchObject({ errorCode: 'account_disabled' });
    await expect(logIn('waiting')).rejects.toMatchObject({ errorCode: 'email_not_verified' });
    await expect(logIn('guessed')).rejects.toMatchObject({ errorCode: 'too_many_attempts' });
  });

  it('go on with their sessions', async () => {
    expect(await app.test.sessions.refresh({ refreshToken })).toMatchObject({
      session: { userId: id, claims: { role: 'user' } },
    });
  });

  it('follow the links that were sent then, once', async () => {
    await app.accounts.verifyEmail({ token: links.verification, password });
    await logIn('unverified');
    await app.accounts.resetPassword({ token: links.recovery, password: OTHER_PASSWORD });
    await logIn('forgetful', OTHER_PASSWORD);
    expect(await app.accounts.confirmEmail({ token: links.emailChange, password })).toMatchObject({ id });
    await logIn('countess');
    const again = app.accounts.resetPassword({ token: links.recovery, password: OTHER_PASSWORD });
    await expect(again).rejects.toMatchObject({ errorCode: 'token_used' });
  });

  it('get the mail that could not be sent then', async () => {
    await app.test.advance('1m');
    await app.outbox.drain();
    await app.accounts.verifyEmail({
      token: tokenOf(await app.verificationMail('waiting@garden.example')),
      password,
    });
    await logIn('waiting');
  });

  it('are joined by new ones, and go', async () => {
    const added = await app.verified('new@garden.example', password);
    await logIn('new');
    await app.accounts.setRole(added, 'editor');
    await app.accounts.disable(added);
    expect(await app.accounts.export(added)).not.toBeNull();
    expect(await app.accounts.delete(added)).toBe(true);
  });
});
