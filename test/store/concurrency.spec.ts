import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import type { IssuedTokens } from 'nestjs-jwt-session';
import type { SessionErrorCode } from '../../lib/session.errors.js';
import { untilWaiting } from '../support/races.js';
import { sessionSeed } from '../support/session-rows.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The code with which a promise is refused; `accepted` if it is not. */
const codeOf = (promise: Promise<unknown>): Promise<SessionErrorCode | 'accepted'> =>
  promise.then(
    () => 'accepted',
    (error: { errorCode: SessionErrorCode }) => error.errorCode,
  );

const refresh = ({ sessions }: TestApp, { refreshToken }: IssuedTokens) =>
  sessions.refresh({ refreshToken: refreshToken! });

describe('a revocation and a refresh of one session at the same time', () => {
  let here: TestApp;
  let there: TestApp;
  let thereOnly: DataSource;
  let issued: IssuedTokens;
  beforeAll(async () => {
    here = await startTestApp();
    // Whatever this process does runs on one connection, so that `BEGIN` holds it in an open transaction.
    there = await startTestApp({ database: here.database, clock: here.clock, typeorm: { poolSize: 1 } });
    thereOnly = there.app.get(DataSource);
  });
  afterAll(async () => {
    await there?.close();
    await here?.close();
  });
  beforeEach(async () => {
    issued = await here.sessions.logIn('ada');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['logOut', () => here.sessions.logOut(issued.session.id)],
    ['logOutAll', () => here.sessions.logOutAll('ada')],
    ['logOutOthers', () => here.sessions.logOutOthers({ id: sessionSeed().id, userId: 'ada' })],
  ])('scenario 20: %s that meets an uncommitted refresh ends the session and its successor', async (_, revoke) => {
    await thereOnly.query('BEGIN');
    const successor = await refresh(there, issued);
    expect(successor.refreshToken).not.toBe(issued.refreshToken);
    const revoked = revoke();
    await untilWaiting(here.database, 1);
    await thereOnly.query('COMMIT');

    expect([true, 1]).toContain(await revoked);
    expect(await codeOf(refresh(there, successor))).toBe('session_revoked');
    expect(await codeOf(refresh(here, issued))).toBe('session_revoked');
    expect(await codeOf(here.sessions.verify(successor.accessToken!))).toBe('session_revoked');
  });

  it.each([
    ['COMMIT', 'session_revoked'],
    ['ROLLBACK', 'accepted'],
  ])('scenario 20: a refresh that meets an uncommitted revocation waits for its %s', async (end, outcome) => {
    await thereOnly.query('BEGIN');
    await there.sessions.logOut(issued.session.id);
    const refreshed = codeOf(refresh(here, issued));
    await untilWaiting(here.database, 1);
    await thereOnly.query(end);
    expect(await refreshed).toBe(outcome);
  });

  it('R04: two processes that refresh at the same time give the same successor', async () => {
    await thereOnly.query('BEGIN');
    const first = await refresh(there, issued);
    const second = refresh(here, issued);
    await untilWaiting(here.database, 1);
    await thereOnly.query('COMMIT');
    expect((await second).refreshToken).toBe(first.refreshToken);
  });
});
