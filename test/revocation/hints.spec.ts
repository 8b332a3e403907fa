import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Client } from 'pg';
import { Revocations } from '../../lib/revocation/revocations.js';
import { KeyStore } from '../../lib/store/key.store.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { channelOf } from '../support/notifications.js';
import { feedOf, listeners, me, untilListening } from '../support/revocation.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const FORMER = 'the-former-secret-that-is-long-enough-for-everybody';

describe('a notification is a hint', () => {
  let database: TestDatabase;
  let clock: SharedClock;
  let here: TestApp;
  let there: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    here = await startTestApp({ database, clock });
    // It polls no sooner than a test says so, or than a hint asks for it.
    there = await startTestApp({ database, clock, session: { revocation: { maxStaleness: '10m' } } });
    await untilListening(there);
  });
  afterAll(async () => {
    await Promise.all([here?.close(), there?.close()]);
    await database?.drop();
  });

  async function logIn(userId = 'ada') {
    const { session, accessToken, refreshToken } = await here.sessions.logIn(userId);
    expect(await me(there, accessToken!)).toBe('accepted');
    return { id: session.id, token: accessToken!, refreshToken: refreshToken! };
  }

  /** What would end a session as a theft, lock a user out and make every process forget its keys. */
  const forgeries = async (sessionId: string, userId: string) => {
    const keys = await database.query<{ kid: string }>('SELECT kid FROM jwt_session_key');
    return [
      { sessions: [sessionId], reason: 'theft:fork' },
      { users: [{ id: userId, version: 1e15 }] },
      { claims: [{ id: sessionId, version: 1e9 }] },
      { keys: keys.map(({ kid }) => kid) },
      { keys: true },
    ].map(forgery => JSON.stringify(forgery));
  };

  /** Notifications arrive in the order of their commits: returns when all that were sent before have arrived. */
  async function untilHeard(): Promise<void> {
    const { id, token } = await logIn('fence');
    await here.sessions.logOut(id);
    await until(async () => (await me(there, token)) === 'session_revoked');
  }

  it('a role that may only connect reaches no process', async () => {
    const { id, token } = await logIn();
    const guest = `${database.name}_guest`;
    await database.query(`CREATE ROLE ${guest} LOGIN PASSWORD 'guest'`);
    const url = new URL(database.url);
    [url.username, url.password] = [guest, 'guest'];
    const client = new Client({ connectionString: url.href });
    try {
      await client.connect();
      await expect(client.query('SELECT 1 FROM jwt_session')).rejects.toThrow(/permission denied/);
      // All that it can know: the name of the table, or of none.
      const names = ['"jwt_session"', '"public"."jwt_session"', 'jwt_session', 'public.jwt_session'];
      const guesses = names.map(name => `jwt_session_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`);
      for (const channel of ['jwt_session', ...guesses]) {
        for (const forgery of await forgeries(id, 'ada')) {
          await client.query('SELECT pg_notify($1, $2)', [channel, forgery]);
        }
      }
      await untilHeard();
      expect(await me(there, token)).toBe('accepted');
      expect((await there.sessions.status()).keys.status).toBe('up');
    } finally {
      await client.end();
      await database.query(`DROP ROLE ${guest}`);
    }
  });

  it('is dropped by the next poll unless the database says the same; keys are not forgotten at all', async () => {
    const { id, token, refreshToken } = await logIn('grace');
    const forged = await forgeries(id, 'grace');
    for (const forgery of forged) {
      await database.query('SELECT pg_notify($1, $2)', [channelOf(there), forgery]);
    }
    // The hint about keys makes the process poll at once.
    await until(async () => (await me(there, token)) === 'accepted');
    await untilHeard();
    await feedOf(there).poll();
    expect(await me(there, token)).toBe('accepted');
    expect((await there.sessions.status()).keys).toMatchObject({ status: 'up', verifying: 1 });
    await there.sessions.refresh({ refreshToken });
    await logIn('grace');
    expect(await database.query('SELECT 1 FROM jwt_session WHERE id = $1 AND revoked_at IS NULL', [id])).toHaveLength(
      1,
    );
  });

  it('many of them do not fill the memory', async () => {
    await database.query(
      `SELECT pg_notify($1, json_build_object('users', (
          SELECT json_agg(json_build_object('id', repeat('x', 50) || message || '-' || n, 'version', 1)) FROM generate_series(1, 80) n
        ))::text) FROM generate_series(1, 2000) message`,
      [channelOf(there)],
    );
    await untilHeard();
    // 160,000 users were named.
    expect(there.app.get(Revocations, { strict: false }).size).toBeLessThan(11_000);
    await feedOf(there).poll();
  });

  it('applications on tables of one name in two schemas do not hear each other; processes of one application do', async () => {
    await database.query('CREATE SCHEMA shop');
    const shop = await startTestApp({
      database,
      clock,
      typeorm: { extra: { options: '-c search_path=shop,clock,pg_catalog' } },
    });
    try {
      expect(channelOf(shop)).not.toBe(channelOf(here));
      expect(channelOf(there)).toBe(channelOf(here));
    } finally {
      await shop.close();
    }
  });

  it('a process with [new, former] hears of what one with the former secret ends', async () => {
    const elsewhere = await TestDatabase.create();
    const session = { revocation: { maxStaleness: '10m' } };
    const former = await startTestApp({ database: elsewhere, session: { ...session, secret: FORMER } });
    const both = await startTestApp({
      database: elsewhere,
      clock: former.clock,
      session: { ...session, secret: [SECRET, FORMER] },
    });
    try {
      await untilListening(both);
      const { session: ended, accessToken } = await former.sessions.logIn('ada');
      expect(await me(both, accessToken!)).toBe('accepted');
      await former.sessions.logOut(ended.id);
      await until(async () => (await me(both, accessToken!)) === 'session_revoked');
    } finally {
      await Promise.all([former.close(), both.close()]);
      await elsewhere.drop();
    }
  });

  it('300 keys are distrusted at once: the notification names none of them', async () => {
    await database.query(
      `INSERT INTO jwt_session_key SELECT rpad('many-' || n || '-', 43, 'x'), 'many', 'ES256', n, '{}', '', now(), now(), now(), now()
       FROM generate_series(1, 300) n`,
    );
    // As long as thumbprints: together above the 8,000 bytes that NOTIFY takes.
    const kids = Array.from({ length: 300 }, (_, index) => `many-${index + 1}-`.padEnd(43, 'x'));
    await here.app.get(KeyStore, { strict: false }).distrust(kids);
    const distrusted = "SELECT 1 FROM jwt_session_key WHERE purpose = 'many' AND distrusted_at IS NOT NULL";
    expect(await database.query(distrusted)).toHaveLength(300);
  });

  it("maxStaleness '3s': a lost connection is replaced once, and notifications arrive again", async () => {
    const quick = await startTestApp({
      database,
      clock,
      session: { revocation: { maxStaleness: '3s' } },
      typeorm: { extra: { application_name: 'quick' } },
    });
    try {
      await untilListening(quick);
      const [lost] = await listeners(database, 'quick');
      await database.query('SELECT pg_terminate_backend($1)', [lost]);
      await until(async () => !(await quick.sessions.status()).revocation.listening);
      await clock.advance('5s');
      await untilListening(quick);
      const replaced = await listeners(database, 'quick');
      for (let poll = 0; poll < 3; poll++) await feedOf(quick).poll();
      expect(await listeners(database, 'quick')).toEqual(replaced);
    } finally {
      await quick.close();
    }
  });
});
