import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SessionModuleOptions } from 'nestjs-jwt-session';
import { Notifications } from '../../lib/store/notifications.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { CHANGES, feedOf, listeners, me, untilListening } from '../support/revocation.js';
import { StatementLog } from '../support/statement-log.js';
import { PLATFORMS, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';

type Revocation = NonNullable<SessionModuleOptions['revocation']>;

describe.each(PLATFORMS)('modes and feeds of revocation on %s', platform => {
  let database: TestDatabase;
  let clock: SharedClock;
  const started: TestApp[] = [];
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
  });
  afterAll(async () => {
    await Promise.all(started.map(app => app.close()));
    await database?.drop();
  });

  async function start(revocation: Revocation, options: TestAppOptions = {}): Promise<TestApp> {
    const app = await startTestApp({ platform, database, clock, session: { revocation }, ...options });
    started.push(app);
    return app;
  }

  async function logIn(app: TestApp, userId = crypto.randomUUID() as string) {
    const { session, accessToken, refreshToken } = await app.sessions.logIn(userId);
    expect(await me(app, accessToken!)).toBe('accepted');
    return { id: session.id, userId, token: accessToken!, refreshToken: refreshToken! };
  }

  describe('live', () => {
    it('F12, F29: guarded requests make no query, also in a pool of one connection beside which it listens', async () => {
      const app = await start({ mode: 'live' }, { typeorm: { extra: { max: 1, application_name: 'single' } } });
      const { token } = await logIn(app);
      await untilListening(app);
      const log = new StatementLog(app.app);
      for (let request = 0; request < 50; request++) expect(await me(app, token)).toBe('accepted');
      expect(log.take().filter(name => name !== 'jwt_session_revocation_poll')).toEqual([]);
      expect(await listeners(database, 'single')).toHaveLength(1);
    });

    it('gives back the listening connection at shutdown, before TypeORM closes its own', async () => {
      const app = await startTestApp({
        platform,
        database,
        clock,
        typeorm: { extra: { application_name: 'leaving' } },
      });
      expect(await listeners(database, 'leaving')).toHaveLength(1);
      await feedOf(app).stop();
      while ((await listeners(database, 'leaving')).length > 0);
      await app.close();
    });

    it.each(CHANGES)('a process whose knowledge is too old asks the database: $change', async ({ sql, answer }) => {
      const app = await start({ mode: 'live' });
      const { id, token } = await logIn(app);
      // Its timers do not fire any more, as in a process that is suspended.
      await feedOf(app).stop();
      await database.query(sql, [id]);
      expect(await me(app, token)).toBe('accepted');
      await clock.advance('31s');
      expect(await me(app, token)).toBe(answer);
    });

    it('it asks once for all requests of a session', async () => {
      const app = await start({ mode: 'live' });
      const { token } = await logIn(app);
      const other = await logIn(app);
      await feedOf(app).stop();
      await clock.advance('31s');
      const log = new StatementLog(app.app);
      await Promise.all(Array.from({ length: 50 }, () => app.sessions.verify(token)));
      expect(log.take()).toEqual(['jwt_session_validity']);
      await app.sessions.verify(other.token);
      expect(log.take()).toEqual(['jwt_session_validity']);
      // An answer is of no use for long.
      await clock.advance('2s');
      await app.sessions.verify(token);
      expect(log.take()).toEqual(['jwt_session_validity']);
    });
  });

  describe('strict', () => {
    it.each(CHANGES)('scenario 10: at once, without a notification: $change', async ({ sql, answer }) => {
      const app = await start({ mode: 'strict' });
      const { id, token } = await logIn(app);
      await database.query(sql, [id]);
      expect(await me(app, token)).toBe(answer);
    });

    it('F12: one query per guarded request, shared with no other; no poll, and it does not listen', async () => {
      const app = await start({ mode: 'strict' }, { typeorm: { extra: { application_name: 'strict' } } });
      const { token } = await logIn(app);
      const log = new StatementLog(app.app);
      await Promise.all(Array.from({ length: 10 }, () => app.sessions.verify(token)));
      expect(log.take()).toEqual(Array.from({ length: 10 }, () => 'jwt_session_validity'));
      expect(await listeners(database, 'strict')).toEqual([]);
      expect((await app.sessions.status()).revocation).toMatchObject({
        status: 'up',
        mode: 'strict',
        listening: false,
      });
    });
  });

  /** Everything that an application sends, from its start to its end, through all operations that end something. */
  async function everyStatement(revocation: Revocation): Promise<string> {
    const app = await start(revocation);
    const { dataSource } = app.app.get(Notifications, { strict: false })['database'];
    const texts: string[] = [];
    const { master } = dataSource.driver as unknown as {
      master: { on(event: 'acquire', listener: (client: { query: (...query: unknown[]) => unknown }) => void): void };
    };
    const known = new Set<unknown>();
    master.on('acquire', client => {
      if (known.has(client)) return;
      known.add(client);
      const send = client.query.bind(client);
      client.query = (...query) => {
        texts.push(JSON.stringify(query));
        return send(...query);
      };
    });
    const { id, userId, refreshToken } = await logIn(app);
    await app.sessions.refresh({ refreshToken });
    await app.sessions.invalidateTokens(userId, 'access');
    await app.sessions.setClaims(id, { role: 'none' });
    await app.sessions.logOutOthers({ id, userId });
    await app.sessions.logOut(id);
    await app.sessions.logOutAll(userId);
    await app.sessions.rotateKeys({ distrust: true });
    if (revocation.mode !== 'stateless') await feedOf(app).poll();
    return texts.join('\n');
  }

  it("feed 'poll': no statement mentions NOTIFY or LISTEN, or is prepared under a name", async () => {
    const statements = await everyStatement({ feed: 'poll' });
    expect(statements).toContain('revoked_reason');
    expect(statements).not.toMatch(/notify|listen/i);
    expect(statements).not.toMatch(/"name":"jwt_session/);
  });

  it('an announcer: no statement mentions NOTIFY or LISTEN, all are prepared, and each change is announced once', async () => {
    const messages: string[] = [];
    const announcer = {
      announce: async (_: string, message: string) => void messages.push(message),
      listen: async () => ({ close: async () => undefined }),
    };
    const statements = await everyStatement({ announcer });
    expect(statements).not.toMatch(/notify|listen/i);
    expect(statements).toMatch(/"name":"jwt_session/);
    const kinds = () => messages.map(message => Object.keys(JSON.parse(message) as object).at(-1));
    const changes = () => kinds().filter(kind => kind !== 'echo');
    await until(async () => changes().includes('keys'));
    expect(changes()).toEqual(['users', 'claims', 'reason', 'keys']);
  });

  it.each(CHANGES.filter(({ answer }) => answer !== 'session_expired'))(
    "feed 'poll': in force after a poll: $change",
    async ({ sql, answer }) => {
      const app = await start({ feed: 'poll' });
      const { id, token } = await logIn(app);
      await database.query(sql, [id]);
      await feedOf(app).poll();
      expect(await me(app, token)).toBe(answer);
      expect((await app.sessions.status()).revocation).toMatchObject({ status: 'up', listening: false });
      expect(app.events.filter(({ type }) => type === 'revocation.degraded')).toEqual([]);
    },
  );

  it('scenario 10: stateless: tokens live until they expire; nothing is polled, heard or announced', async () => {
    const app = await start({ mode: 'stateless' }, { typeorm: { extra: { application_name: 'stateless' } } });
    const { id, token, refreshToken } = await logIn(app);
    await app.sessions.logOut(id);
    const log = new StatementLog(app.app);
    await clock.advance('9m');
    expect(await me(app, token)).toBe('accepted');
    expect(log.take().filter(name => /validity|poll/.test(name))).toEqual([]);
    expect(await listeners(database, 'stateless')).toEqual([]);
    await expect(app.sessions.refresh({ refreshToken })).rejects.toMatchObject({ errorCode: 'session_revoked' });
    await clock.advance('2m');
    expect(await me(app, token)).toBe('access_token_expired');
    expect(await everyStatement({ mode: 'stateless' })).not.toMatch(/notify|listen/i);
  });
});
