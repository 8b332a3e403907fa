import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { tableOf } from '../docs/pages.js';
import { RoundTrips } from '../support/round-trips.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The table of docs/performance.md. */
const DOCUMENTED = new Map(
  tableOf('docs/performance.md', 'operation', 'round trips').map(([name, count]) => [name, Number(count)]),
);

describe('round trips to the database', () => {
  let database: TestDatabase;
  let trips: RoundTrips;
  let test: TestApp;
  let limited: TestApp;
  let hooked: TestApp;
  let role = 'user';
  const claims = () => ({ role });
  beforeAll(async () => {
    database = await TestDatabase.create();
    const clock = await SharedClock.install(database);
    trips = await RoundTrips.to(database.url);
    const start = (session: object) =>
      startTestApp({
        database: Object.assign(Object.create(database) as TestDatabase, { url: trips.url }),
        clock,
        // Nothing is sent in the background but what an operation sends.
        session: { transport: 'bearer', revocation: { mode: 'strict', feed: 'poll' }, ...session },
        typeorm: { poolSize: 1, extra: { idleTimeoutMillis: 0 } },
      });
    test = await start({});
    limited = await start({ session: { maxPerUser: 2 } });
    hooked = await start({ claims });
  });
  afterAll(async () => {
    await hooked?.close();
    await limited?.close();
    await test?.close();
    await trips?.close();
    await database?.drop();
  });

  const logIn = async (app = test) => {
    const { accessToken, refreshToken, session } = await app.sessions.logIn('ada');
    return { accessToken: accessToken!, refreshToken: refreshToken!, session };
  };

  const OPERATIONS: Record<string, () => Promise<() => Promise<unknown>>> = {
    logIn: async () => () => logIn(),
    'logIn with session.maxPerUser': async () => () => logIn(limited),
    'logIn in your transaction': async () => () =>
      test.app.get(DataSource).transaction(manager => test.sessions.logIn('ada', { manager })),
    refresh: async () => {
      const { refreshToken } = await logIn();
      return () => test.sessions.refresh({ refreshToken });
    },
    'refresh that is refused': async () => {
      const { refreshToken, session } = await logIn();
      await test.sessions.logOut(session.id);
      return () => test.sessions.refresh({ refreshToken }).catch(() => undefined);
    },
    'refresh with a claims hook whose answer has changed': async () => {
      const { refreshToken } = await logIn(hooked);
      role = role === 'user' ? 'admin' : 'user';
      return () => hooked.sessions.refresh({ refreshToken });
    },
    'verify, the guard in mode strict': async () => {
      const { accessToken } = await logIn();
      return () => test.sessions.verify(accessToken);
    },
    reauthenticate: async () => {
      const { session } = await logIn();
      return () => test.sessions.reauthenticate(session);
    },
    'reauthenticate with session.maxPerUser': async () => {
      const { session } = await logIn(limited);
      return () => limited.sessions.reauthenticate(session);
    },
    setClaims: async () => {
      const { session } = await logIn();
      return () => test.sessions.setClaims(session.id, { role: 'admin' });
    },
    setData: async () => {
      const { session } = await logIn();
      return () => test.sessions.setData(session.id, { cart: 1 });
    },
    logOut: async () => {
      const { session } = await logIn();
      return () => test.sessions.logOut(session.id);
    },
    logOutOthers: async () => {
      const { session } = await logIn();
      return () => test.sessions.logOutOthers(session);
    },
    logOutAll: async () => () => test.sessions.logOutAll('ada'),
    list: async () => () => test.sessions.list('ada'),
    invalidateTokens: async () => () => test.sessions.invalidateTokens('ada', 'refresh'),
    status: async () => () => test.sessions.status(),
    rotateKeys: async () => () => test.app.get(KeyRotation).rotateNow(false),
    cleanUp: async () => () => test.sessions.cleanUp(),
  };

  it('the table of docs/performance.md has these operations', () => {
    expect([...DOCUMENTED.keys()]).toEqual(Object.keys(OPERATIONS));
  });

  it.each(Object.entries(OPERATIONS))('%s', async (name, prepare) => {
    const run = await prepare();
    expect(await trips.during(run)).toBe(DOCUMENTED.get(name));
  });
});
