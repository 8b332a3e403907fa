import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SessionClock } from '../../lib/common/clock.js';
import { maxRequestAge } from '../../lib/rules/rotation.js';
import { DatabaseClock, type Deadline } from '../../lib/store/database-clock.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { OpenTransaction, untilWaiting } from '../support/races.js';
import { RotationHarness } from '../support/rotation-harness.js';
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
