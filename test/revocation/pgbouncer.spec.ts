import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { SharedClock, TestDatabase } from '../support/database.js';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer.js';
import { listeners, me, untilListening } from '../support/revocation.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

/** Prepares nothing, as a pooler that knows no prepared statements wants it; those that do need no such driver. */
class UnnamedClient extends pg.Client {
  override query(query: never, ...rest: never[]): never {
    const unnamed = typeof query === 'object' && 'name' in query ? { ...(query as object), name: undefined } : query;
    return super.query(unnamed as never, ...rest) as never;
  }
}
class UnnamedPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super({ ...config, Client: UnnamedClient } as pg.PoolConfig);
  }
}

const title = 'through pgbouncer in transaction mode';
const suite = hasPgBouncer ? describe : describe.skip;

suite(hasPgBouncer ? title : `${title} (skipped: pgbouncer is not installed)`, () => {
  let database: TestDatabase;
  let clock: SharedClock;
  let bouncer: PgBouncer;
  const started: TestApp[] = [];
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    bouncer = await PgBouncer.inFrontOf(database);
  });
  afterAll(async () => {
    await Promise.all(started.map(app => app.close()));
    await bouncer?.stop();
    await database?.drop();
  });

  async function start(feed: 'notify' | 'poll', listenUrl?: string): Promise<TestApp> {
    const unnamed = feed === 'notify' && !listenUrl && { driver: { ...pg, Pool: UnnamedPool } };
    const app = await startTestApp({
      database,
      clock,
      session: { revocation: { feed, ...(listenUrl && { listenUrl }) } },
      typeorm: { url: bouncer.url, ...unnamed },
    });
    started.push(app);
    return app;
  }

  async function revokeEverything(here: TestApp, there: TestApp): Promise<Promise<void>[]> {
    const [ended, invalidated, changed] = await Promise.all(
      ['ada', 'grace', 'lovelace'].map(async user => {
        const { session, accessToken } = await here.sessions.logIn(user);
        expect(await me(there, accessToken!)).toBe('accepted');
        return { id: session.id, token: accessToken! };
      }),
    );
    await here.sessions.logOut(ended!.id);
    await here.sessions.invalidateTokens('grace', 'access');
    await here.sessions.setClaims(changed!.id, { role: 'none' });
    await clock.advance('11s');
    const becomes = (token: string, answer: string) => until(async () => (await me(there, token)) === answer);
    return [
      becomes(ended!.token, 'session_revoked'),
      becomes(invalidated!.token, 'access_token_invalid'),
      becomes(changed!.token, 'access_token_expired'),
    ];
  }

  it("feed 'poll': sessions work in many transactions at once, and revocations are in force after a poll", async () => {
    const [here, there] = [await start('poll'), await start('poll')];
    const lineages = Array.from({ length: 40 }, async (_, index) => {
      const [app, other] = index % 2 === 0 ? [here, there] : [there, here];
      const { session, refreshToken } = await app.sessions.logIn(`user ${index}`);
      const refreshed = await other.sessions.refresh({ refreshToken: refreshToken! });
      expect(await me(app, refreshed.accessToken!)).toBe('accepted');
      return app.sessions.logOut(session.id);
    });
    expect(new Set(await Promise.all(lineages))).toEqual(new Set([true]));
    await Promise.all(await revokeEverything(here, there));
    expect(there.events.filter(({ type }) => type === 'revocation.degraded')).toEqual([]);
  });

  it('listenUrl past the pooler: notifications arrive, although statements go through it and none is prepared', async () => {
    const [here, there] = [await start('notify', database.url), await start('notify', database.url)];
    await Promise.all([untilListening(here), untilListening(there)]);
    const { session, accessToken } = await here.sessions.logIn('ada');
    expect(await me(there, accessToken!)).toBe('accepted');
    await here.sessions.logOut(session.id);
    // No clock is moved, so that no poll is due.
    await until(async () => (await me(there, accessToken!)) === 'session_revoked');
    expect((await listeners(database)).length).toBeGreaterThanOrEqual(2);
  });

  it('a listenUrl that leads to another database is told by the missing echo; revocations are in force after a poll', async () => {
    const elsewhere = await TestDatabase.create();
    try {
      const [here, there] = [await start('poll'), await start('notify', elsewhere.url)];
      await Promise.all(await revokeEverything(here, there));
      await clock.advance('11s');
      await until(async () => there.events.some(({ type }) => type === 'revocation.degraded'));
      expect(await there.sessions.status()).toMatchObject({ status: 'up', revocation: { listening: false } });
    } finally {
      await elsewhere.drop();
    }
  });

  it("feed 'notify': LISTEN is swallowed, which the missing echo tells; revocations are in force after a poll", async () => {
    const [here, there] = [await start('notify'), await start('notify')];
    await Promise.all(await revokeEverything(here, there));
    await clock.advance('11s');
    await until(async () => there.events.some(({ type }) => type === 'revocation.degraded'));
    expect(there.events).toContainEqual({ type: 'revocation.degraded', cause: 'listen' });
    expect(await there.sessions.status()).toMatchObject({
      status: 'up',
      revocation: { status: 'up', listening: false },
    });
  });
});
