import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { KeyRing } from '../../lib/keys/key-ring.js';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import { Revocations } from '../../lib/revocation/revocations.js';
import { SessionEvents } from '../../lib/session.events.js';
import { RevocationStore } from '../../lib/store/revocation.store.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { FixedClock } from '../support/fixed-clock.js';
import { channelOf } from '../support/notifications.js';
import { feedOf, me, untilListening } from '../support/revocation.js';
import { OpenTransaction } from '../support/races.js';
import { insertSessions, sessionSeed } from '../support/session-rows.js';
import { StatementLog } from '../support/statement-log.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

describe('the order of revocations', () => {
  let database: TestDatabase;
  let clock: SharedClock;
  let here: TestApp;
  let there: TestApp;
  const started: TestApp[] = [];
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    [here, there] = [await start(), await start()];
    await untilListening(there);
  });
  afterAll(async () => {
    await Promise.all(started.map(app => app.close()));
    await database?.drop();
  });

  async function start(): Promise<TestApp> {
    const app = await startTestApp({ database, clock });
    started.push(app);
    return app;
  }

  async function logIn(userId = 'ada') {
    const { session, accessToken, refreshToken } = await here.sessions.logIn(userId);
    expect(await me(there, accessToken!)).toBe('accepted');
    return { id: session.id, token: accessToken!, refreshToken: refreshToken! };
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
    const restarted = await start();
    for (const token of tokens) {
      expect(await me(there, token)).toBe('session_revoked');
      expect(await me(restarted, token)).toBe('session_revoked');
    }
  });

  describe('a poll of what is new', () => {
    /** Where the polls of a test began; null for the whole span. */
    function startsOf({ app }: TestApp): (number | null)[] {
      const starts: (number | null)[] = [];
      const store = app.get(RevocationStore, { strict: false });
      const poll = store.poll.bind(store);
      store.poll = (request, cursor, timeout) => {
        starts.push(cursor.sessionsAt);
        return poll(request, cursor, timeout);
      };
      return starts;
    }

    /** Polls until one reads what is new, right after one that has read the whole span. Returns the starts from then on. */
    async function untilRecent(app: TestApp): Promise<(number | null)[]> {
      const starts = startsOf(app);
      // Transactions of other tests, which use the same server, are numbered as well.
      await until(async () => {
        await feedOf(app).poll();
        return starts.at(-2) === null && starts.at(-1) !== null;
      });
      starts.length = 0;
      return starts;
    }

    it('S14: a transaction that is held for longer than a minute, over several polls, is in force after the next one', async () => {
      const app = await startTestApp({
        database,
        clock,
        session: { revocation: { feed: 'poll', maxStaleness: '10m' } },
      });
      started.push(app);
      const { id, token } = await logIn('held');
      const other = await logIn('other');
      const starts = await untilRecent(app);
      const held = await OpenTransaction.begin(database);
      const began = clock.now() * 1_000;
      await held.query(END, [id]);
      // Half of the span, which is as long as an access token lives and more.
      for (let minute = 0; minute < 3; minute++) {
        await clock.advance('1m');
        await feedOf(app).poll();
      }
      await database.query(END, [other.id]);
      await feedOf(app).poll();
      expect(await app.sessions.verify(token)).toBeDefined();
      await expect(app.sessions.verify(other.token)).rejects.toMatchObject({ errorCode: 'session_revoked' });
      await held.commit();
      await feedOf(app).poll();
      await expect(app.sessions.verify(token)).rejects.toMatchObject({ errorCode: 'session_revoked' });
      // It was no poll of the whole span that told it: each has read back to before the transaction.
      expect(starts).toHaveLength(5);
      for (const from of starts) expect(from).toBeLessThan(began);
      expect(starts).not.toContain(null);
      // Now that it has ended, polls go back no further than a minute.
      await until(async () => {
        await feedOf(app).poll();
        return starts.at(-1)! > began;
      });
    });

    it('is the whole span after a hint that it does not confirm, so that the hint is confirmed or dropped at once', async () => {
      const { id, token } = await logIn('hint');
      const starts = await untilRecent(there);
      await database.query('SELECT pg_notify($1, $2)', [
        channelOf(there),
        JSON.stringify({ sessions: [id], reason: 'forged' }),
      ]);
      await until(async () => (await me(there, token)) === 'session_revoked');
      await feedOf(there).poll();
      expect(await me(there, token)).toBe('accepted');
      expect(starts.map(from => from === null)).toEqual([false, true]);
    });

    it("is the whole span after the database's clock was set back, and with the next poll what it hid is in force", async () => {
      const { id, token } = await logIn('clock');
      const starts = await untilRecent(there);
      await database.query('UPDATE clock.shift SET milliseconds = milliseconds - 180000');
      try {
        await database.query(END, [id]);
        await feedOf(there).poll();
        expect(await me(there, token)).toBe('session_revoked');
        expect(starts.map(from => from === null)).toEqual([false, true]);
      } finally {
        await database.query('UPDATE clock.shift SET milliseconds = milliseconds + 180000');
        await feedOf(there).poll();
      }
    });
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
    await feedOf(there).poll();
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

  describe('after a failover that has lost the last commits', () => {
    const TABLES = ['jwt_session', 'jwt_session_user_auth', 'jwt_session_key'];

    /** What the standby has received. */
    const copy = () =>
      database.query(
        TABLES.map(
          table => `DROP TABLE IF EXISTS copy_of_${table}; CREATE TABLE copy_of_${table} AS TABLE ${table}`,
        ).join('; '),
      );
    const failOver = () =>
      database.query(
        TABLES.map(table => `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM copy_of_${table}`).join('; '),
      );
    const poll = () => Promise.all([here, there].map(app => feedOf(app).poll()));

    it('memory goes on refusing, and the database learns again what it has lost', async () => {
      const ended = await logIn('ada');
      const [invalidated, outdated] = [await logIn('hopper'), await logIn('lamarr')];
      await copy();
      await here.sessions.logOut(ended.id, { reason: 'lost phone' });
      await here.sessions.invalidateTokens('hopper', 'access');
      await here.sessions.setClaims(outdated.id, { role: 'none' });
      await poll();
      await failOver();
      await poll();
      for (const app of [here, there]) {
        expect(await me(app, ended.token)).toBe('session_revoked');
        expect(await me(app, invalidated.token)).toBe('access_token_invalid');
        expect(await me(app, outdated.token)).toBe('access_token_expired');
      }
      const rows = await database.query('SELECT revoked_reason FROM jwt_session WHERE id = $1', [ended.id]);
      expect(rows).toEqual([{ revoked_reason: 'lost phone' }]);
      // A login and a refresh get tokens that count.
      const again = await here.sessions.logIn('hopper');
      expect(await me(there, again.accessToken!)).toBe('accepted');
      const refreshed = await here.sessions.refresh({ refreshToken: outdated.refreshToken });
      expect(await me(there, refreshed.accessToken!)).toBe('accepted');
      const restarted = await start();
      expect(await me(restarted, ended.token)).toBe('session_revoked');
    });

    it('a distrusted key stays distrusted, is distrusted in the database again, and another one signs', async () => {
      const { token, refreshToken } = await logIn('ada');
      await copy();
      await here.sessions.rotateKeys({ distrust: true });
      await poll();
      // The key that was made in its place is lost, too.
      await failOver();
      await Promise.all([here, there].map(({ app }) => app.get(KeyRotation).tick()));
      for (const app of [here, there]) expect(await me(app, token)).toBe('access_token_invalid');
      const refreshed = await here.sessions.refresh({ refreshToken });
      expect(await me(there, refreshed.accessToken!)).toBe('accepted');
      const restarted = await start();
      expect(await me(restarted, token)).toBe('access_token_invalid');
      expect(await me(restarted, refreshed.accessToken!)).toBe('accepted');
    });
  });

  describe('clocks', () => {
    it("a process's clock that goes ahead and back forgets nothing", async () => {
      const time = new FixedClock();
      const [options, events] = [resolveOptions({ secret: SECRET }, {}), new SessionEvents()];
      const keys = { distrust: () => false } as unknown as KeyRing;
      const revocations = new Revocations(options, time, events, keys, {});
      const token = { sessionId: 'a', userId: 'ada', accessVersion: 0, tokenVersion: 0 };
      revocations.mergeLocal({ sessions: [{ id: 'a', reason: 'logout' }] });
      time.time += 86_400_000;
      revocations.mergeLocal({ sessions: [{ id: 'b', reason: 'logout' }] });
      time.time -= 86_400_000;
      expect(revocations.refusalOf(token)).toMatchObject({ errorCode: 'session_revoked' });
    });

    it("the database's clock that goes ahead hides nothing from a process that starts then", async () => {
      const { id, token } = await logIn('ada');
      await here.sessions.logOut(id);
      await database.query('UPDATE clock.shift SET milliseconds = milliseconds + 1200000');
      try {
        const restarted = await start();
        expect(await me(restarted, token)).toBe('session_revoked');
      } finally {
        await database.query('UPDATE clock.shift SET milliseconds = milliseconds - 1200000');
      }
    });
  });

  it('a poll reads page by page what ended, also where all of it ended in the same moment', async () => {
    const sessions = await Promise.all(Array.from({ length: 3 }, () => logIn('turing')));
    await insertSessions(
      database,
      Array.from({ length: 4_950 }, () => sessionSeed()),
    );
    await database.query(
      `UPDATE jwt_session SET revoked_at = now(), revoked_reason = 'incident' WHERE revoked_at IS NULL`,
    );
    const log = new StatementLog(there.app);
    await feedOf(there).poll();
    expect(log.take().filter(name => name === 'jwt_session_revocation_poll').length).toBeGreaterThan(2);
    for (const { token } of sessions) expect(await me(there, token)).toBe('session_revoked');
    const { sessionIds } = there.events.findLast(event => event.type === 'session.revoked')!;
    expect(sessionIds.length).toBeGreaterThan(400);
  });

  it('a poll reads no more pages when the application shuts down', async () => {
    await insertSessions(
      database,
      Array.from({ length: 2_000 }, () => sessionSeed()),
    );
    await database.query(
      `UPDATE jwt_session SET revoked_at = now(), revoked_reason = 'incident' WHERE revoked_at IS NULL`,
    );
    const log = new StatementLog(there.app);
    const polled = feedOf(there).poll();
    await feedOf(there).stop();
    await polled;
    // One of them may be that of the timer.
    expect(log.take().filter(name => name === 'jwt_session_revocation_poll').length).toBeLessThanOrEqual(2);
  });
});
