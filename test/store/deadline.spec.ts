import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DataSource } from 'typeorm';
import { SessionClock, SessionTimers } from '../../lib/common/clock.js';
import { PauseDetector } from '../../lib/sessions/pause-detector.js';
import { maxRequestAge } from '../../lib/rules/rotation.js';
import { DatabaseClock, Deadline } from '../../lib/store/database-clock.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { OpenTransaction, untilWaiting } from '../support/races.js';
import { RotationHarness } from '../support/rotation-harness.js';
import { CookieClient } from '../support/client.js';
import { FixedClock } from '../support/fixed-clock.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const UNAVAILABLE = { errorCode: 'session_store_unavailable' };

/** Moves every deadline, as if requests had been under way for that long. */
class LateClock extends DatabaseClock {
  late = 0;

  override deadline(milliseconds: number): Deadline {
    return super.deadline(milliseconds - this.late);
  }
}

/** Says that it was suspended when a test says so. */
class StoppedProcess extends PauseDetector {
  isResumed = false;

  constructor() {
    super(new SessionTimers());
  }

  override mayHaveWaited(): boolean {
    return this.isResumed;
  }
}

describe('a statement after its deadline', () => {
  const clock = new LateClock(new SessionClock());
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      ...PATIENTLY,
      override: builder => {
        PATIENTLY.override!(builder);
        builder.overrideProvider(DatabaseClock).useValue(clock);
      },
    });
  });
  afterAll(() => test?.close());

  it('PROTOCOL promise 1: every state and token is answered 503, nothing changes and nobody is accused', async () => {
    const harness = new RotationHarness(test, 30_000);
    const pairs = await harness.everyPair();
    const before = await harness.rows();
    clock.late = 60_000;
    const outcomes = await harness.refreshAll(pairs, 'child');
    await harness.useAll(pairs);
    clock.late = 0;
    expect(await harness.rows()).toEqual(before);
    const names = Object.values(outcomes).map(({ name }) => name);
    expect(names).toHaveLength(pairs.length);
    expect(new Set(names)).toEqual(new Set(['session_store_unavailable']));
  });

  it('PROTOCOL promise 1: one that waited for a lock, while its client refreshed elsewhere, is no theft', async () => {
    const { refreshToken, session } = await test.sessions.logIn('ada');
    const first = await test.sessions.refresh({ refreshToken: refreshToken! });
    await test.sessions.refresh({ refreshToken: first.refreshToken! });
    await test.advance('31s');
    // The row is now that of a client which has used its second token; the first one would be theft.
    const holder = await OpenTransaction.begin(test.database);
    await holder.query('SELECT FROM jwt_session WHERE id = $1 FOR UPDATE', [session.id]);
    // Two seconds are left, in which the statement comes to the lock also on a slow machine.
    clock.late = maxRequestAge(30_000) - 2_000;
    const zombie = test.sessions.refresh({ refreshToken: first.refreshToken! });
    await untilWaiting(test.database, 1);
    await holder.query(
      "UPDATE jwt_session SET generation = 2, previous_hash = token_hash, token_hash = sha256('elsewhere') WHERE id = $1",
      [session.id],
    );
    await holder.query('SELECT pg_sleep(2.1)');
    await holder.commit();
    await expect(zombie).rejects.toMatchObject(UNAVAILABLE);
    clock.late = 0;
    expect(await test.sessions.get(session.id)).not.toBeNull();
    await expect(test.sessions.refresh({ refreshToken: first.refreshToken! })).rejects.toMatchObject({
      errorCode: 'token_theft_detected',
      theftClass: 'recent',
    });
  });
});

describe.each([
  { name: 'in the place of the former session', session: {} },
  { name: 'within a limit', session: { maxPerUser: 1 } },
])('a late login $name', ({ session }) => {
  const pauses = new StoppedProcess();
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      session: { session },
      override: builder => {
        builder.overrideProvider(PauseDetector).useValue(pauses);
      },
    });
  });
  afterAll(() => test?.close());

  const logIn = (client: CookieClient) => client.sendOnly('/login', { method: 'POST', body: { userId: 'ada' } });

  it('whose statement runs after its deadline ends and inserts nothing', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const before = await test.database.query('SELECT * FROM jwt_session ORDER BY id');
    const databaseTime = jest.spyOn(Deadline.prototype, 'databaseTime', 'get').mockReturnValue(0);
    const passed = jest.spyOn(Deadline.prototype, 'hasPassed', 'get');
    passed.mockReturnValueOnce(false).mockReturnValue(true);
    const answer = await logIn(client);
    databaseTime.mockRestore();
    passed.mockRestore();
    expect(answer).toMatchObject({ status: 503, body: UNAVAILABLE, setCookie: [] });
    expect(await test.database.query('SELECT * FROM jwt_session ORDER BY id')).toEqual(before);
    expect((await logIn(client)).status).toBe(200);
  });

  it('that a process reads after it was suspended ends and inserts nothing', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const before = await test.database.query('SELECT * FROM jwt_session ORDER BY id');
    pauses.isResumed = true;
    const answer = await logIn(client);
    pauses.isResumed = false;
    expect(answer).toMatchObject({ status: 503, body: UNAVAILABLE, setCookie: [] });
    expect(await test.database.query('SELECT * FROM jwt_session ORDER BY id')).toEqual(before);
  });

  it('is not one that the application begins by itself: no client can have given it up', async () => {
    pauses.isResumed = true;
    try {
      const tokens = await test.sessions.logIn('grace');
      await test.sessions.reauthenticate(tokens.session);
    } finally {
      pauses.isResumed = false;
    }
    expect(await test.sessions.list('grace')).toHaveLength(1);
  });

  it.each([3_600_000, -3_600_000])('is told from one after the clock of the database was set by %d ms', async by => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    await test.database.query('UPDATE clock.shift SET milliseconds = $1', [by]);
    expect((await logIn(client)).status).toBe(200);
    await test.database.query('UPDATE clock.shift SET milliseconds = 0');
    expect((await logIn(client)).status).toBe(200);
  });
});

describe('a transaction of a login whose COMMIT does not arrive', () => {
  it('is ended by the server, which is told so with the lock', async () => {
    const test = await startTestApp({ session: { session: { maxPerUser: 1 } } });
    await test.database.query(`
      CREATE TABLE seen (user_id text, idle_limit text);
      CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.seen VALUES (NEW.user_id, current_setting('idle_in_transaction_session_timeout'));
        RETURN NEW;
      END $$;
      CREATE TRIGGER seeing BEFORE INSERT ON jwt_session FOR EACH ROW EXECUTE FUNCTION see();`);
    await test.sessions.logIn('ada');
    await test.app.get(DataSource).transaction(manager => test.sessions.logIn('grace', { manager }));
    expect(await test.database.query('SELECT * FROM seen ORDER BY user_id')).toEqual([
      { user_id: 'ada', idle_limit: '10s' },
      { user_id: 'grace', idle_limit: '0' },
    ]);
    await test.close();
  });
});

describe("a database's clock that is set", () => {
  it.each(['1h', '-1h'])('PROTOCOL: by %s, holds up no refresh: its time is read again', async by => {
    const test = await startTestApp(PATIENTLY);
    try {
      const { refreshToken } = await test.sessions.logIn('ada');
      await test.database.query('UPDATE clock.shift SET milliseconds = $1', [by === '1h' ? 3_600_000 : -3_600_000]);
      await expect(test.sessions.refresh({ refreshToken: refreshToken! })).resolves.toBeDefined();
    } finally {
      await test.close();
    }
  });
});

describe("the database's clock", () => {
  const moment = (clock: FixedClock) => ({ monotonic: clock.monotonic(), wall: clock.now() });

  /** A process clock whose two hands move together. */
  class Hands extends FixedClock {
    override monotonic(): number {
      return this.time;
    }
  }

  it('is unknown before the first answer: there is no deadline', () => {
    expect(new DatabaseClock(new Hands(0)).deadline(10).databaseTime).toBe(Infinity);
  });

  it('is known from the moment at which the statement was sent, and advances with the process clock', () => {
    const hands = new Hands(1_000);
    const clock = new DatabaseClock(hands);
    const sent = moment(hands);
    hands.time += 100;
    clock.learn(50_000, sent);
    hands.time += 400;
    expect(clock.deadline(15_000).databaseTime).toBe(50_000 + 500 + 15_000);
  });

  it('gives a request no more time when it is learned anew', () => {
    const hands = new Hands(0);
    const clock = new DatabaseClock(hands);
    clock.learn(0, moment(hands));
    const deadline = clock.deadline(1_000);
    hands.time += 400;
    clock.learn(3_600_400, moment(hands));
    expect(deadline.databaseTime).toBe(3_601_000);
    hands.time += 600;
    expect(deadline.hasPassed).toBe(true);
  });

  it('is not learned from an answer that took longer than a second, unless there is no better one', () => {
    const hands = new Hands(0);
    const clock = new DatabaseClock(hands);
    const answer = (databaseNow: number, roundTrip: number) => {
      const sent = moment(hands);
      hands.time += roundTrip;
      clock.learn(databaseNow, sent);
    };
    answer(100_000, 5_000);
    expect(clock.now).toBe(105_000);
    answer(200_000, 900);
    expect(clock.now).toBe(200_900);
    // A process that was suspended after it had sent the statement.
    answer(900_000, 43_000);
    expect(clock.now).toBe(243_900);
  });

  it('counts the time in which the machine slept', () => {
    const hands = new Hands(0);
    const clock = new DatabaseClock(hands);
    clock.learn(1_000, moment(hands));
    jest.spyOn(hands, 'now').mockReturnValue(60_000);
    expect(clock.now).toBe(61_000);
  });
});
