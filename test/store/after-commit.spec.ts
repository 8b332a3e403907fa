import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource, type EntityManager } from 'typeorm';
import { PATIENTLY } from '../support/patient-timers.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

class Changed extends Error {}

/** Runs in a transaction (in another one: up to a savepoint) that is rolled back. */
async function undone(source: DataSource | EntityManager, run: (manager: EntityManager) => Promise<unknown>) {
  const transaction = source.transaction(async manager => {
    await run(manager);
    throw new Changed();
  });
  await expect(transaction).rejects.toBeInstanceOf(Changed);
}

/**
 * Memory follows the database: a session that is ended in a transaction has ended when that commits, and not before.
 */
describe("access tokens of sessions that are ended in the caller's transaction", () => {
  let test: TestApp;
  let dataSource: DataSource;
  beforeAll(async () => {
    // Neither notifications nor polls, which would tell this process of what it has done itself.
    test = await startTestApp({ session: { revocation: { feed: 'poll' } }, ...PATIENTLY });
    dataSource = test.app.get(DataSource);
  });
  afterAll(() => test?.close());
  beforeEach(() => {
    test.events.length = 0;
  });

  async function newSession() {
    const { session, accessToken } = await test.sessions.logIn('ada');
    return {
      end: (manager?: EntityManager) => test.sessions.logOut(session.id, { manager }),
      /** What a guard says of its access token. */
      state: () =>
        test.sessions.verify(accessToken!).then(
          () => 'accepted',
          (error: { errorCode: string }) => error.errorCode,
        ),
      /** What the database says. */
      stored: async () => ((await test.sessions.get(session.id)) ? 'accepted' : 'session_revoked'),
    };
  }

  const revocations = () => test.events.filter(({ type }) => type === 'session.revoked').length;

  it('S14: are accepted until it commits, and refused from then on', async () => {
    const session = await newSession();
    await dataSource.transaction(async manager => {
      await session.end(manager);
      expect(await session.state()).toBe('accepted');
      expect(revocations()).toBe(0);
    });
    expect(await session.state()).toBe('session_revoked');
    expect(revocations()).toBe(1);
  });

  it('S14: stay accepted when it is rolled back', async () => {
    const session = await newSession();
    await undone(dataSource, manager => session.end(manager));
    expect([await session.state(), await session.stored()]).toEqual(['accepted', 'accepted']);
    expect(revocations()).toBe(0);
  });

  it('S14: stay accepted when it is rolled back to a savepoint', async () => {
    const [within, before, after] = [await newSession(), await newSession(), await newSession()];
    const released = await newSession();
    await dataSource.transaction(async outer => {
      await before.end(outer);
      await outer.transaction(inner => released.end(inner));
      await undone(outer, inner => within.end(inner));
      await after.end(outer);
      expect(await before.state()).toBe('accepted');
    });
    for (const [session, state] of [
      [within, 'accepted'],
      [before, 'session_revoked'],
      [released, 'session_revoked'],
      [after, 'session_revoked'],
    ] as const) {
      expect([await session.state(), await session.stored()]).toEqual([state, state]);
    }
    expect(revocations()).toBe(3);
  });

  it('S14: stay accepted when it is rolled back, also where it ended the session twice', async () => {
    const session = await newSession();
    await undone(dataSource, async manager => {
      await session.end(manager);
      await session.end(manager);
      expect(await session.state()).toBe('accepted');
    });
    expect([await session.state(), await session.stored()]).toEqual(['accepted', 'accepted']);
    expect(revocations()).toBe(0);
  });

  it('S14: wait for the outermost transaction', async () => {
    const session = await newSession();
    await dataSource.transaction(async outer => {
      await outer.transaction(inner => session.end(inner));
      expect(await session.state()).toBe('accepted');
    });
    expect(await session.state()).toBe('session_revoked');
  });

  it('S14: stay accepted when an outer transaction takes back what an inner one has done', async () => {
    const [session, innermost] = [await newSession(), await newSession()];
    await dataSource.transaction(async outer => {
      await undone(outer, async middle => {
        await middle.transaction(inner => innermost.end(inner));
        await session.end(middle);
      });
    });
    expect([await session.state(), await innermost.state()]).toEqual(['accepted', 'accepted']);
    expect([await session.stored(), await innermost.stored()]).toEqual(['accepted', 'accepted']);

    await undone(dataSource, outer => outer.transaction(inner => session.end(inner)));
    expect([await session.state(), await session.stored()]).toEqual(['accepted', 'accepted']);
  });

  it('S14: follow a query runner that is used for one transaction after the other', async () => {
    const [first, second, third] = [await newSession(), await newSession(), await newSession()];
    const runner = dataSource.createQueryRunner();
    try {
      await runner.startTransaction();
      await first.end(runner.manager);
      await runner.rollbackTransaction();
      await runner.startTransaction();
      await second.end(runner.manager);
      await runner.commitTransaction();
      expect([await first.state(), await second.state()]).toEqual(['accepted', 'session_revoked']);
      // No transaction: committed at once.
      await third.end(runner.manager);
      expect(await third.state()).toBe('session_revoked');
    } finally {
      await runner.release();
    }
    expect([await first.stored(), await second.stored(), await third.stored()]).toEqual([
      'accepted',
      'session_revoked',
      'session_revoked',
    ]);
  });

  it('S14: keep the transactions of two connections apart', async () => {
    const [kept, ended] = [await newSession(), await newSession()];
    await undone(dataSource, async manager => {
      await kept.end(manager);
      await dataSource.transaction(other => ended.end(other));
      expect([await kept.state(), await ended.state()]).toEqual(['accepted', 'session_revoked']);
    });
    expect(await kept.state()).toBe('accepted');
  });

  it('L02: a login is announced when it has committed, and never when it was rolled back', async () => {
    await undone(dataSource, manager => test.sessions.logIn('grace', { manager }));
    await dataSource.transaction(async manager => {
      await test.sessions.logIn('grace', { manager });
      expect(test.events).toEqual([]);
    });
    expect(test.events.map(({ type }) => type)).toEqual(['session.created']);
    expect(await test.sessions.list('grace')).toHaveLength(1);
  });
});
