import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SharedClock, TestDatabase } from '../support/database.js';
import { toMidPeriod } from '../support/mid-period.js';
import { holdStatements, OpenTransaction, untilWaiting } from '../support/races.js';
import { insertSessions, type SessionSeed, sessionSeed } from '../support/session-rows.js';
import { StoreProcess } from '../support/store-process.js';
import { TestApps } from '../support/test-apps.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const KEPT: [string, Partial<SessionSeed>][] = [
  ['live', {}],
  ['expired an hour ago', { expiresAt: -HOUR }],
  ['revoked an hour ago', { revokedAt: -HOUR, revokedReason: 'logout' }],
];
const REMOVED: [string, Partial<SessionSeed>][] = [
  ['expired two days ago', { expiresAt: -2 * DAY }],
  ['revoked two days ago', { revokedAt: -2 * DAY, revokedReason: 'logout' }],
  ['revoked lately, expired long ago', { revokedAt: -HOUR, revokedReason: 'logout', expiresAt: -2 * DAY }],
];

const seedsOf = (kinds: typeof KEPT, count: number) =>
  kinds.flatMap(([label, kind]) => Array.from({ length: count }, () => sessionSeed({ ...kind, userId: label })));

const countsOf = (kinds: typeof KEPT, count: number) => Object.fromEntries(kinds.map(([label]) => [label, count]));

describe('clean-up of sessions', () => {
  let database: TestDatabase;
  let processes: StoreProcess[];
  beforeEach(async () => {
    database = await TestDatabase.create();
    await SharedClock.install(database);
    const first = await StoreProcess.start(database);
    processes = [first, await StoreProcess.start(database), await StoreProcess.start(database)];
  });
  afterEach(async () => {
    await Promise.all(processes.map(process => process.stop()));
    await database.drop();
  });

  async function leftOver(): Promise<Record<string, number>> {
    const rows = await database.query<{ user_id: string; count: string }>(
      'SELECT user_id, count(*) FROM jwt_session GROUP BY user_id',
    );
    return Object.fromEntries(rows.map(({ user_id, count }) => [user_id, Number(count)]));
  }

  it('scenario 11, scenario 22: several processes at once remove each ended session once, and no other', async () => {
    const seeds = [...seedsOf(KEPT, 500), ...seedsOf(REMOVED, 500)];
    // Mixed up, so that every batch holds some of each.
    await insertSessions(
      database,
      seeds.sort((a, b) => (a.id.slice(24) < b.id.slice(24) ? -1 : 1)),
    );
    const release = await holdStatements(database);
    const running = processes.map(({ cleanUp }) => cleanUp.removeEnded(DAY, false));
    await untilWaiting(database, processes.length);
    await release();

    const removed = await Promise.all(running);
    expect(removed.reduce((sum, count) => sum + count)).toBe(REMOVED.length * 500);
    expect(await leftOver()).toEqual(countsOf(KEPT, 500));
  });

  it('scenario 22: a dry run counts what would go and removes nothing', async () => {
    await insertSessions(database, [...seedsOf(KEPT, 2), ...seedsOf(REMOVED, 3)]);
    const [{ cleanUp }] = processes as [StoreProcess];
    expect(await cleanUp.removeEnded(DAY, true)).toBe(REMOVED.length * 3);
    expect(await leftOver()).toEqual({ ...countsOf(KEPT, 2), ...countsOf(REMOVED, 3) });
    expect(await cleanUp.removeEnded(DAY, false)).toBe(REMOVED.length * 3);
    expect(await cleanUp.removeEnded(DAY, true)).toBe(0);
  });

  it('scenario 22: a session that comes back to life after the batch was read is kept', async () => {
    const [back, gone] = [sessionSeed({ expiresAt: -2 * DAY }), sessionSeed({ expiresAt: -2 * DAY })];
    await insertSessions(database, [back, gone]);
    const release = await holdStatements(database);
    const removed = processes[0]!.cleanUp.removeEnded(DAY, false);
    await untilWaiting(database, 1);
    await database.query("UPDATE jwt_session SET expires_at = pg_catalog.now() + interval '1 day' WHERE id = $1", [
      back.id,
    ]);
    await release();
    expect(await removed).toBe(1);
    expect(await database.query('SELECT id FROM jwt_session')).toEqual([{ id: back.id }]);
  });

  it('scenario 22: waits for nobody: what another connection has locked is left for the next time', async () => {
    const [locked, free] = [sessionSeed({ expiresAt: -2 * DAY }), sessionSeed({ expiresAt: -2 * DAY })];
    await insertSessions(database, [locked, free]);
    const other = await OpenTransaction.begin(database);
    await other.query('SELECT FROM jwt_session WHERE id = $1 FOR UPDATE', [locked.id]);
    const [{ cleanUp }] = processes as [StoreProcess];
    expect(await cleanUp.removeEnded(DAY, false)).toBe(1);
    await other.rollback();
    expect(await cleanUp.removeEnded(DAY, false)).toBe(1);
  });
});

describe('SessionService.cleanUp', () => {
  it('scenario 11: keeps an ended session for a day, in which its tokens are told why, and then removes it', async () => {
    const apps = await TestApps.on('express');
    await toMidPeriod(apps.clock);
    const test = await apps.start();
    try {
      const { sessions } = test;
      const ended = await sessions.logIn('ada');
      const live = await sessions.logIn('ada');
      await sessions.logOut(ended.session.id);
      await test.advance('23h');
      expect(await sessions.cleanUp()).toEqual({ sessions: 0, devices: 0, keys: 0 });
      await expect(sessions.refresh({ refreshToken: ended.refreshToken! })).rejects.toMatchObject({
        errorCode: 'session_revoked',
      });

      await test.advance('2h');
      expect(await sessions.cleanUp({ dryRun: true })).toEqual({ sessions: 1, devices: 0, keys: 0 });
      expect(await sessions.cleanUp()).toEqual({ sessions: 1, devices: 0, keys: 0 });
      await expect(sessions.refresh({ refreshToken: ended.refreshToken! })).rejects.toMatchObject({
        errorCode: 'session_expired',
      });
      expect((await sessions.refresh({ refreshToken: live.refreshToken! })).session.id).toBe(live.session.id);
    } finally {
      await apps.close();
    }
  });
});
