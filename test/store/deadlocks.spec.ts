import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { branchOf } from '../../lib/rules/refresh-token.js';
import { deadlocksOf, OpenTransaction, untilWaiting } from '../support/races.js';
import { insertSessions, type SessionSeed, sessionSeed } from '../support/session-rows.js';
import { StoreProcess } from '../support/store-process.js';
import { TestDatabase } from '../support/database.js';

const about = (sessionId: string) => ({ sessionId, deadline: Infinity });
const PROCESSES = 4;
const ROUNDS = 5;

const usesOf = (seeds: readonly SessionSeed[]) =>
  seeds.map(({ id, generation, successorHash }) => ({
    sessionId: id,
    generation: generation + 1,
    branch: branchOf(successorHash!),
    issuedAt: 0,
  }));

/** A deadlock would be broken up and the statement repeated unseen, so the server is asked how many there were. */
describe('statements that change several sessions take them in one order', () => {
  let database: TestDatabase;
  let processes: StoreProcess[];
  beforeEach(async () => {
    database = await TestDatabase.create();
    const first = await StoreProcess.start(database);
    const others = Array.from({ length: PROCESSES - 1 }, () => StoreProcess.start(database));
    processes = [first, ...(await Promise.all(others))];
  });
  afterEach(async () => {
    await stop();
    await database.drop();
  });

  const stop = () => Promise.all(processes.splice(0).map(process => process.stop()));

  /** Rows in an order that is not that of their ids, so that a scan of the table meets them in another one. */
  async function sessions(count: number): Promise<SessionSeed[]> {
    const seeds = Array.from({ length: count }, () => sessionSeed()).sort((a, b) => (a.id < b.id ? -1 : 1));
    const half = count / 2;
    await insertSessions(database, [...seeds.slice(half), ...seeds.slice(0, half)].toReversed());
    return seeds;
  }

  /**
   * Lets the statements pile up behind one row in the middle, then lets them loose on each other. Some skip the row.
   */
  async function collide<T>(middle: SessionSeed, skipping: number, statements: () => Promise<T>[]): Promise<T[]> {
    const holder = await OpenTransaction.begin(database);
    await holder.query('SELECT FROM jwt_session WHERE id = $1 FOR UPDATE', [middle.id]);
    const running = statements();
    await untilWaiting(database, running.length - skipping);
    await holder.commit();
    return Promise.all(running);
  }

  it('R05: four processes confirm the same 400 sessions in opposite orders', async () => {
    const seeds = await sessions(400);
    const there = usesOf(seeds);
    const back = there.toReversed();
    const confirmations = () =>
      processes.flatMap(({ rotation }, index) =>
        [index % 2 ? back : there, index % 2 ? there : back].map(used => rotation.confirm(used)),
      );
    await Promise.all(confirmations());
    // One that meets another's lock skips the row, and is given the token again.
    await processes[0]!.rotation.confirm(there);
    const confirmed = await database.query('SELECT FROM jwt_session WHERE generation = 1 AND successor_hash IS NULL');
    expect(confirmed).toHaveLength(400);
    await stop();
    expect(await deadlocksOf(database)).toBe(0);
  });

  it('R05: four processes confirm 400 sessions in batches of a hundred that overlap', async () => {
    const used = usesOf(await sessions(400));
    await Promise.all(
      processes.map(async ({ rotation }, index) => {
        // Every process meets the sessions in an order of its own.
        const order = used.map((_, place) => used[(place * [1, 3, 7, 399][index]!) % 400]!);
        const batches = [0, 100, 200, 300].map(start => order.slice(start, start + 100));
        await Promise.all(batches.map(batch => rotation.confirm(batch)));
      }),
    );
    await processes[0]!.rotation.confirm(used);
    const confirmed = await database.query('SELECT FROM jwt_session WHERE generation = 1');
    expect(confirmed).toHaveLength(400);
    await stop();
    expect(await deadlocksOf(database)).toBe(0);
  });

  it("S11: log-out of all, theft and confirmations run over one user's 200 sessions, and end each one once", async () => {
    const [a, b, c, d] = processes as [StoreProcess, StoreProcess, StoreProcess, StoreProcess];
    for (let round = 0; round < ROUNDS; round++) {
      await database.query('DELETE FROM jwt_session');
      const seeds = await sessions(200);
      const stolen = [seeds[round]!, seeds[199 - round]!];
      // Theft is decided on the row as it was read: a confirmation of that row would let the theft wait for nothing.
      const used = usesOf(seeds.filter(seed => !stolen.includes(seed)));
      const observed = await Promise.all(stolen.map(async ({ id }) => (await a.rotation.readForRotation(about(id)))!));
      const ended = await collide<string[]>(seeds[100]!, 2, () => [
        b.rotation.confirm(used).then(() => []),
        c.rotation.confirm(used.toReversed()).then(() => []),
        a.rotation.endStolen(about(stolen[0]!.id), observed[0]!, 'stale', true),
        d.rotation.endStolen(about(stolen[1]!.id), observed[1]!, 'fork', true),
        c.revocations.end({ userId: 'ada' }, 'logout-all'),
        d.revocations.end({ userId: 'ada', except: stolen[0]!.id }, 'logout-others'),
      ]);
      expect(ended.flatMap(ids => ids ?? []).sort()).toEqual(seeds.map(({ id }) => id));
    }
    await stop();
    expect(await deadlocksOf(database)).toBe(0);
  });
});
