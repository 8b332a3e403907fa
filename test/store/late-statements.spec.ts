import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { DataSource } from 'typeorm';
import { SessionTimers } from '../../lib/common/clock.js';
import type { IssuedTokens, SessionService } from '../../lib/index.js';
import { Database } from '../../lib/store/database.js';
import { Deadline } from '../../lib/store/database-clock.js';
import { Network } from '../faults/network.js';
import { TestDatabase } from '../support/database.js';
import { OpenTransaction, untilWaiting } from '../support/races.js';
import { ShortTimers } from '../support/revocation.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const UNAVAILABLE = { errorCode: 'session_store_unavailable' };

type Change = (sessions: SessionService, login: IssuedTokens) => Promise<unknown>;

interface Late {
  readonly call: string;
  readonly statement: string;
  readonly change: Change;
  /** What another process does in the meantime. */
  readonly newer: Change;
  readonly intact: (sessions: SessionService, login: IssuedTokens, newer: unknown) => Promise<void>;
}

const logInAgain: Change = sessions => sessions.logIn('ada');
const isLoggedIn: Late['intact'] = async (sessions, _, newer) => {
  expect(await sessions.get((newer as IssuedTokens).session.id)).not.toBeNull();
};

const LATE: Late[] = [
  {
    call: 'setClaims',
    statement: 'jwt_session_set_claims',
    change: (sessions, { session }) => sessions.setClaims(session.id, { role: 'former' }),
    newer: (sessions, { session }) => sessions.setClaims(session.id, { role: 'newer' }),
    intact: async (sessions, { session }) => {
      expect((await sessions.get(session.id))!.claims).toEqual({ role: 'newer' });
    },
  },
  {
    call: 'setData',
    statement: 'jwt_session_set_data',
    change: (sessions, { session }) => sessions.setData(session.id, { step: 1 }),
    newer: (sessions, { session }) => sessions.setData(session.id, { step: 2 }),
    intact: async (sessions, { session }) => expect(await sessions.getData(session.id)).toEqual({ step: 2 }),
  },
  {
    call: 'logOutAll',
    statement: 'jwt_session_end_of_user',
    change: sessions => sessions.logOutAll('ada'),
    newer: logInAgain,
    intact: isLoggedIn,
  },
  {
    call: 'logOutOthers',
    statement: 'jwt_session_end_of_user',
    change: (sessions, { session }) => sessions.logOutOthers(session),
    newer: logInAgain,
    intact: isLoggedIn,
  },
  {
    call: 'logOutAll of two users, which share a statement',
    statement: 'jwt_session_end_of_users',
    // A statement that runs makes the others wait for the end of the turn.
    change: sessions => Promise.all(['grace', 'ada', 'bob'].map(user => sessions.logOutAll(user))),
    newer: logInAgain,
    intact: isLoggedIn,
  },
  {
    call: 'invalidateTokens',
    statement: 'jwt_session_invalidate',
    change: sessions => sessions.invalidateTokens('ada', 'refresh'),
    newer: logInAgain,
    intact: async (sessions, _, newer) => {
      await sessions.refresh({ refreshToken: (newer as IssuedTokens).refreshToken! });
    },
  },
];

/** A process whose network holds statements back, and one beside it. */
describe('a statement that the network delivers when its process has given it up', () => {
  const timers = new ShortTimers();
  let database: TestDatabase;
  let network: Network;
  let late: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    other = await startTestApp({ database });
    network = await Network.to(Number(new URL(database.url).port));
    const url = new URL(database.url);
    url.hostname = '127.0.0.1';
    url.port = String(network.port);
    late = await startTestApp({
      database,
      clock: other.clock,
      typeorm: { url: url.href, poolSize: 4, extra: { idleTimeoutMillis: 0 } },
      session: { revocation: { feed: 'poll' } },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
  });
  beforeEach(async () => {
    await database.query('UPDATE clock.shift SET milliseconds = 0');
    // A statement that waits for a connection is never sent.
    await Promise.all(Array.from({ length: 4 }, () => late.app.get(DataSource).query('SELECT pg_sleep(0.05)')));
  });
  afterEach(() => {
    timers.limit = Infinity;
    network.restore();
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await late?.close();
    await network?.close();
    await other?.close();
    await database?.drop();
  });

  /** Gives up the statement, lets time pass, and delivers it after what another process does. */
  async function deliverLate({ statement, change, newer }: Omit<Late, 'intact' | 'call'>, login: IssuedTokens) {
    const store = late.app.get(Database);
    const query = store.query.bind(store);
    jest.spyOn(store, 'query').mockImplementation((asked, values, context) => {
      if (asked.name === statement) {
        network.stall('requests');
        timers.limit = 300;
      }
      return query(asked, values, context);
    });
    const before = await backends();
    await expect(change(late.sessions, login)).rejects.toMatchObject(UNAVAILABLE);
    timers.limit = Infinity;
    jest.restoreAllMocks();
    await database.query('UPDATE clock.shift SET milliseconds = 11000');
    const result = await newer(other.sessions, login);
    network.restore();
    // The connection was given up with its statement: its backend carries the statement out and ends.
    await until(async () => {
      const left = await backends();
      return before.some(pid => !left.includes(pid));
    });
    return result;
  }

  async function backends(): Promise<number[]> {
    const rows = await database.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    return rows.map(({ pid }) => pid);
  }

  it.each(LATE)('issue 15, point 2: $call changes nothing', async scenario => {
    const login = await other.sessions.logIn('ada');
    const newer = await deliverLate(scenario, login);
    await scenario.intact(other.sessions, login, newer);
  });

  it('a log-out of one session ends it also then: no other session is concerned', async () => {
    const login = await other.sessions.logIn('ada');
    const newer = await deliverLate(
      {
        statement: 'jwt_session_end_one',
        change: (sessions, { session }) => sessions.logOut(session.id),
        newer: logInAgain,
      },
      login,
    );
    expect(await other.sessions.get(login.session.id)).toBeNull();
    await isLoggedIn(other.sessions, login, newer);
  });

  it.each(LATE.slice(0, 3))('issue 15, point 2: $call that waits for a lock past its deadline', async ({ change }) => {
    const login = await other.sessions.logIn('ada', { claims: { role: 'first' }, data: { step: 0 } });
    const before = await database.query('SELECT * FROM jwt_session ORDER BY id');
    const passed = jest.spyOn(Deadline.prototype, 'hasPassed', 'get');
    passed.mockReturnValueOnce(false).mockReturnValue(true);
    const holder = await OpenTransaction.begin(database);
    await holder.query('SELECT FROM jwt_session WHERE id = $1 FOR UPDATE', [login.session.id]);
    const outcome = change(other.sessions, login).catch((error: unknown) => error);
    await untilWaiting(database, 1);
    await database.query('UPDATE clock.shift SET milliseconds = 11000');
    await holder.commit();
    expect(await outcome).toMatchObject(UNAVAILABLE);
    expect(await database.query('SELECT * FROM jwt_session ORDER BY id')).toEqual(before);
  });
});
