import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { SharedClock, TestDatabase } from '../support/database.js';
import { feedOf, me, untilListening } from '../support/revocation.js';
import { OpenTransaction } from '../support/races.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

describe('the order of revocations', () => {
  let database: TestDatabase;
  let clock: SharedClock;
  let here: TestApp;
  let there: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    [here, there] = [await startTestApp({ database, clock }), await startTestApp({ database, clock })];
    await untilListening(there);
  });
  afterAll(async () => {
    await Promise.all([here?.close(), there?.close()]);
    await database?.drop();
  });

  async function logIn(userId = 'ada') {
    const { session, accessToken } = await here.sessions.logIn(userId);
    expect(await me(there, accessToken!)).toBe('accepted');
    return { id: session.id, token: accessToken! };
  }

  /** The first to start commits last, and the other process polls in between. */
  async function revokeInReverse(revoke: (app: TestApp, first: string, second: string) => Promise<void>) {
    const [first, second] = [await logIn(), await logIn()];
    await revoke(here, first.id, second.id);
    return [first.token, second.token];
  }

  const END = `UPDATE jwt_session SET revoked_at = clock_timestamp(), revoked_reason = 'by hand' WHERE id = $1`;

  it('S14: two that commit in the reverse of their start are in force after the poll, and after a restart', async () => {
    const tokens = await revokeInReverse(async (_, first, second) => {
      const slow = await OpenTransaction.begin(database);
      await slow.query(END, [first]);
      await database.query(END, [second]);
      await feedOf(there).poll();
      await slow.commit();
    });
    expect(await me(there, tokens[1]!)).toBe('session_revoked');
    await feedOf(there).poll();
    const restarted = await startTestApp({ database, clock });
    for (const token of tokens) {
      expect(await me(there, token)).toBe('session_revoked');
      expect(await me(restarted, token)).toBe('session_revoked');
    }
    await restarted.close();
  });

  it('… and after the notification, although a poll fell between start and commit', async () => {
    const tokens = await revokeInReverse(async (app, first, second) => {
      await app.app.get<DataSource>(getDataSourceToken()).transaction(async manager => {
        await app.sessions.logOut(first, { manager });
        await app.sessions.logOut(second);
        await feedOf(there).poll();
      });
    });
    for (const token of tokens) await until(async () => (await me(there, token)) === 'session_revoked');
  });

  it("F28: a user's version is raised while a poll is under way: the newest wins", async () => {
    const { token } = await logIn('grace');
    await here.sessions.invalidateTokens('grace', 'access');
    const [older, newer] = [await here.sessions.logIn('grace'), feedOf(there).poll()];
    await Promise.all([newer, here.sessions.invalidateTokens('grace', 'access')]);
    await until(async () => (await me(there, older.accessToken!)) === 'access_token_invalid');
    // What an older snapshot says, as a late poll would bring it, changes nothing.
    await database.query(`UPDATE jwt_session_user_auth SET version = 1 WHERE user_id = 'grace'`);
    await feedOf(there).poll();
    expect(await me(there, token)).toBe('access_token_invalid');
    expect(await me(there, older.accessToken!)).toBe('access_token_invalid');
    await database.query(`UPDATE jwt_session_user_auth SET version = 2 WHERE user_id = 'grace'`);
  });

  it('S09, S11: logOutAll of 1,000 sessions reaches the other process by notification', async () => {
    const sessions = [];
    for (let batch = 0; batch < 20; batch++) {
      sessions.push(...(await Promise.all(Array.from({ length: 50 }, () => here.sessions.logIn('lovelace')))));
    }
    const accepted = await Promise.all(sessions.map(({ accessToken }) => there.sessions.verify(accessToken!)));
    expect(accepted).toHaveLength(1_000);
    const since = there.events.length;
    expect(await here.sessions.logOutAll('lovelace')).toBe(1_000);
    const told = () =>
      there.events.slice(since).flatMap(event => (event.type === 'session.revoked' ? event.sessionIds : []));
    await until(async () => told().length >= 1_000);
    expect(new Set(told())).toEqual(new Set(sessions.map(({ session }) => session.id)));
    const refused = await Promise.allSettled(sessions.map(({ accessToken }) => there.sessions.verify(accessToken!)));
    expect(refused.filter(({ status }) => status === 'fulfilled')).toEqual([]);
  });

  it('after a failover that has lost the last commits, memory goes on refusing', async () => {
    const ended = await logIn('ada');
    const invalidated = await logIn('hopper');
    await here.sessions.logOut(ended.id);
    await here.sessions.invalidateTokens('hopper', 'access');
    await feedOf(there).poll();
    await database.query('UPDATE jwt_session SET revoked_at = NULL, revoked_reason = NULL WHERE id = $1', [ended.id]);
    await database.query(`DELETE FROM jwt_session_user_auth WHERE user_id = 'hopper'`);
    await Promise.all([feedOf(here).poll(), feedOf(there).poll()]);
    for (const app of [here, there]) {
      expect(await me(app, ended.token)).toBe('session_revoked');
      expect(await me(app, invalidated.token)).toBe('access_token_invalid');
    }
  });

  it('… and a distrusted key stays distrusted', async () => {
    const { token } = await logIn('ada');
    await here.sessions.rotateKeys({ distrust: true });
    await feedOf(there).poll();
    // The key that was made in its place is lost, too.
    await database.query('DELETE FROM jwt_session_key WHERE distrusted_at IS NULL AND purpose LIKE $1', [
      'access-token%',
    ]);
    await database.query('UPDATE jwt_session_key SET distrusted_at = NULL');
    await Promise.all([feedOf(here).poll(), feedOf(there).poll()]);
    for (const app of [here, there]) expect(await me(app, token)).toBe('access_token_invalid');
  });
});
