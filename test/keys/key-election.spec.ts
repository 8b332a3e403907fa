import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { KeyStore, type StoredKey } from '../../lib/store/key.store.js';
import { dataSourceOn } from '../support/data-source.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { fetchJwks } from '../support/jwks.js';
import { toMidPeriod } from '../support/mid-period.js';
import { OpenTransaction, untilWaiting } from '../support/races.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const PROCESSES = 5;

describe.each(PLATFORMS)('five applications started at once on an empty database, on %s', platform => {
  let database: TestDatabase;
  let clock: SharedClock;
  let tests: TestApp[];

  /** Lets the processes do something that makes a key, and holds them up until each has one and wants to store it. */
  async function racing(run: () => Promise<unknown>): Promise<void> {
    const blocker = await OpenTransaction.begin(database);
    await blocker.query('LOCK TABLE jwt_session_key IN SHARE MODE');
    const running = run();
    await Promise.race([untilWaiting(database, PROCESSES), running]);
    await blocker.commit();
    await running;
  }

  const rows = () =>
    database.query<{ kid: string }>("SELECT kid FROM jwt_session_key WHERE purpose LIKE 'access-token%' ORDER BY kid");

  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    await toMidPeriod(clock);
    const migrations = await dataSourceOn(database, { migrationsRun: true }).initialize();
    await migrations.destroy();
    const typeorm = { migrationsRun: false };
    await racing(async () => {
      const starts = Array.from({ length: PROCESSES }, () => startTestApp({ platform, database, clock, typeorm }));
      tests = await Promise.all(starts);
    });
  });
  afterAll(async () => {
    await Promise.all((tests ?? []).map(test => test.close()));
    await database?.drop();
  });

  it('J08: F7: have one active key', async () => {
    expect(await rows()).toHaveLength(1);
    const signing = await Promise.all(tests.map(({ sessions }) => sessions.status()));
    expect(new Set(signing.map(({ keys }) => keys.signing)).size).toBe(1);
    expect(new Set(signing.map(({ status }) => status))).toEqual(new Set(['up']));
  });

  it("J08: F7: verify and refresh each other's tokens", async () => {
    const issued = await Promise.all(tests.map(({ sessions }) => sessions.logIn('ada', { transport: 'bearer' })));
    for (const { sessions } of tests) {
      for (const { accessToken } of issued) {
        await expect(sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      }
    }
    const last = tests.at(-1)!.sessions;
    await Promise.all(issued.map(({ refreshToken }) => last.refresh({ refreshToken: refreshToken! })));
  });

  it('J08: generated server secrets, which have one name and one period, are elected without an error', async () => {
    const stores = tests.map(({ app }) => app.get(KeyStore, { strict: false }));
    const secret = (round: number): StoredKey => ({
      kid: `secret-${round}`,
      purpose: 'secret',
      algorithm: 'none',
      period: round,
      publicJwk: {},
      encryptedPrivateKey: Buffer.alloc(32),
      publishAt: 0,
      signFrom: 0,
      signUntil: 1,
      retireAt: 1,
    });
    // Two that meet in the moment between the two unique indexes are rare, so there are many rounds.
    for (let round = 0; round < 100; round++) {
      const won = await Promise.all([...stores, ...stores].map(store => store.elect(secret(round))));
      expect(won.filter(Boolean)).toHaveLength(1);
    }
  });

  it('J08: F7: all make the key of the next period at once, and again agree on one', async () => {
    const before = await rows();
    await clock.advance('7d');
    await racing(() => Promise.all(tests.map(({ app }) => app.get(KeyRotation).tick())));
    expect(await rows()).toHaveLength(before.length + 1);
    const sets = await Promise.all(tests.map(async ({ url }) => (await fetchJwks(url)).keys.map(({ kid }) => kid)));
    for (const set of sets) expect(set).toEqual(sets[0]);
    const status = await Promise.all(tests.map(({ sessions }) => sessions.status()));
    expect(new Set(status.map(({ keys }) => keys.signing)).size).toBe(1);
  });
});
