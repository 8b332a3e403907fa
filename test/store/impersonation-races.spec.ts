import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import type { IssuedTokens } from 'nestjs-jwt-session';
import { StatementLog } from '../support/statement-log.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: { errorCode: string }) => error.errorCode,
  );

describe('F35: an impersonation and what happens at the same moment', () => {
  let here: TestApp;
  let there: TestApp;
  let strict: TestApp;
  let thereOnly: DataSource;
  let actor: IssuedTokens;
  beforeAll(async () => {
    here = await startTestApp();
    const shared = { database: here.database, clock: here.clock };
    // Whatever this process does runs on one connection, so that `BEGIN` holds it in an open transaction.
    there = await startTestApp({ ...shared, typeorm: { poolSize: 1 } });
    strict = await startTestApp({ ...shared, session: { revocation: { mode: 'strict' } } });
    thereOnly = there.app.get(DataSource);
  });
  afterAll(async () => {
    await strict?.close();
    await there?.close();
    await here?.close();
  });
  beforeEach(async () => {
    actor = await here.sessions.logIn('admin');
  });

  async function expectRefused({ sessions }: TestApp, { accessToken, refreshToken }: IssuedTokens) {
    expect(await codeOf(sessions.verify(accessToken!))).toBe('session_revoked');
    expect(await codeOf(sessions.refresh({ refreshToken: refreshToken! }))).toBe('session_revoked');
  }

  async function expectRefusedEverywhere(issued: IssuedTokens) {
    await expectRefused(here, issued);
    await expectRefused(strict, issued);
  }

  it('a log-out of the actor that does not see it ends it', async () => {
    await thereOnly.query('BEGIN');
    const issued = await there.sessions.impersonate(actor.session, 'ada');
    expect(await here.sessions.logOut(actor.session.id)).toBe(true);
    await thereOnly.query('COMMIT');
    // Its own row says nothing of that.
    const [row] = await here.database.query<{ revoked_at: Date | null }>(
      'SELECT revoked_at FROM jwt_session WHERE id = $1',
      [issued.session.id],
    );
    expect(row!.revoked_at).toBeNull();
    await expectRefusedEverywhere(issued);
  });

  it('a log-out of the actor does not wait for a refresh of it, and ends it', async () => {
    const issued = await here.sessions.impersonate(actor.session, 'ada');
    await thereOnly.query('BEGIN');
    const refreshed = await there.sessions.refresh({ refreshToken: issued.refreshToken! });
    expect(await here.sessions.logOutAll('admin')).toBe(1);
    await thereOnly.query('COMMIT');
    await expectRefusedEverywhere(refreshed);
    await expectRefusedEverywhere(issued);
  });

  it('an invalidation of the tokens of the actor holds where each request asks the database', async () => {
    const issued = await here.sessions.impersonate(actor.session, 'ada');
    expect(await codeOf(strict.sessions.verify(issued.accessToken!))).toBe('accepted');
    await here.sessions.invalidateTokens('admin', 'access');
    expect(await codeOf(strict.sessions.verify(issued.accessToken!))).toBe('access_token_invalid');
    const refreshed = await here.sessions.refresh({ refreshToken: issued.refreshToken! });
    expect(await codeOf(strict.sessions.verify(refreshed.accessToken!))).toBe('accepted');
    await here.sessions.invalidateTokens('admin', 'refresh');
    expect(await codeOf(strict.sessions.verify(refreshed.accessToken!))).toBe('session_revoked');
  });

  it('users who impersonate each other and log out everywhere do not deadlock', async () => {
    for (let round = 0; round < 5; round++) {
      const [first, second] = [await here.sessions.logIn('admin'), await here.sessions.logIn('other')];
      const issued = await Promise.all([
        here.sessions.impersonate(first.session, 'other'),
        here.sessions.impersonate(second.session, 'admin'),
      ]);
      await Promise.all([
        here.sessions.logOutAll('admin'),
        there.sessions.logOutAll('other'),
        strict.sessions.logOut(first.session.id),
      ]);
      // It asks the database: what another process has ended arrives here a little later.
      for (const each of issued) await expectRefused(strict, each);
    }
  });

  it('begins and ends by one statement, and costs others none', async () => {
    const log = new StatementLog(here.app);
    await here.sessions.list('nobody');
    log.take();
    const issued = await here.sessions.impersonate(actor.session, 'ada');
    expect(log.take()).toEqual(['jwt_session_impersonate']);
    await here.sessions.refresh({ refreshToken: issued.refreshToken! });
    expect(log.take()).toEqual(['jwt_session_rotate']);
    await here.sessions.verify(issued.accessToken!);
    await here.sessions.logOut(actor.session.id);
    expect(log.take()).toEqual(['jwt_session_end_one']);
  });
});
