import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import type { IssuedTokens } from 'nestjs-jwt-session';
import { PATIENTLY } from '../support/patient-timers.js';
import { deadlocksOf, OpenTransaction, untilWaiting } from '../support/races.js';
import { StatementLog } from '../support/statement-log.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const ONE = 'jwt_session_end_one';
const SEVERAL = 'jwt_session_end_several';
const OF_USER = 'jwt_session_end_of_user';
const OF_USERS = 'jwt_session_end_of_users';

describe('log-outs of one turn of the event loop share a statement', () => {
  let test: TestApp;
  let log: StatementLog;
  beforeAll(async () => {
    test = await startTestApp(PATIENTLY);
    log = new StatementLog(test.app);
  });
  afterAll(() => test?.close());
  beforeEach(async () => {
    await test.database.query('DELETE FROM jwt_session');
    log.take();
  });

  const idOf = ({ session }: IssuedTokens) => session.id;
  const logOut = (id: string) => test.sessions.logOut(id);

  /** Sessions of so many users, some of each; their ids by user. */
  async function sessions(users: number, each = 1): Promise<string[][]> {
    const all: string[][] = [];
    for (let user = 0; user < users; user++) {
      const own = await Promise.all(Array.from({ length: each }, () => test.sessions.logIn(`user ${user}`)));
      all.push(own.map(idOf));
    }
    log.take();
    return all;
  }

  async function reasons(): Promise<Record<string, string | null>> {
    const rows = await test.database.query<{ id: string; revoked_reason: string | null }>(
      'SELECT id, revoked_reason FROM jwt_session',
    );
    return Object.fromEntries(rows.map(({ id, revoked_reason: reason }) => [id, reason]));
  }

  it('of 17 one goes at once and 16 take one statement; each is answered, and has its own reason', async () => {
    const ids = (await sessions(17)).flat();
    test.events.length = 0;
    const ended = await Promise.all(
      ids.map((id, place) => test.sessions.logOut(id, { reason: `reason ${place % 3}` })),
    );
    expect(ended).toEqual(ids.map(() => true));
    expect(log.take()).toEqual([ONE, SEVERAL]);
    expect(await reasons()).toEqual(Object.fromEntries(ids.map((id, place) => [id, `reason ${place % 3}`])));
    const revoked = test.events.flatMap(event => (event.type === 'session.revoked' ? event.sessionIds : []));
    expect(revoked.toSorted()).toEqual(ids.toSorted());
  });

  it('one that is ended already, unknown or of another user is answered without a statement of its own', async () => {
    const [[first], [ended], [foreign], [last]] = (await sessions(4)) as [string][];
    await logOut(ended!);
    log.take();
    const answers = await Promise.all([
      logOut(first!),
      logOut(ended!),
      test.sessions.logOut(foreign!, { userId: 'user 3' }),
      logOut('01890a5d-ac96-774b-bcce-b302099a8057'),
      test.sessions.logOut(last!, { userId: 'user 3' }),
    ]);
    expect(answers).toEqual([true, false, false, false, true]);
    expect(log.take()).toEqual([ONE, SEVERAL]);
    expect((await reasons())[foreign!]).toBeNull();
  });

  it('the same session twice in a turn ends once', async () => {
    const [[first], [twice]] = (await sessions(2)) as [string][];
    const answers = await Promise.all([logOut(first!), logOut(twice!), logOut(twice!)]);
    expect(answers.filter(Boolean)).toHaveLength(2);
    expect(answers[0]).toBe(true);
  });

  it('logOutAll and logOutOthers of several users take one statement, each with its own number', async () => {
    const all = await sessions(5, 3);
    const answers = await Promise.all([
      test.sessions.logOutAll('user 0'),
      test.sessions.logOutAll('user 1', { reason: 'blocked' }),
      test.sessions.logOutOthers({ id: all[2]![1]!, userId: 'user 2' }),
      test.sessions.logOutAll('nobody'),
      test.sessions.logOutAll('user 3'),
    ]);
    expect(answers).toEqual([3, 3, 2, 0, 3]);
    expect(log.take()).toEqual([OF_USER, OF_USERS]);
    const reasonsById = await reasons();
    const ofUser = (user: number) => all[user]!.map(id => reasonsById[id]);
    expect([0, 1, 2, 3, 4].map(ofUser)).toEqual([
      ['logout-all', 'logout-all', 'logout-all'],
      ['blocked', 'blocked', 'blocked'],
      ['logout-others', null, 'logout-others'],
      ['logout-all', 'logout-all', 'logout-all'],
      [null, null, null],
    ]);
  });

  it.each<[string, (ids: string[][]) => Promise<unknown>[], string, string]>([
    ['a session', ids => ids.map(([id]) => logOut(id!)), ONE, SEVERAL],
    ['a session of a user', ids => ids.map((_, user) => test.sessions.logOutAll(`user ${user}`)), OF_USER, OF_USERS],
  ])('where %s is locked, the others do not wait, and its own log-out does', async (_, logOutEach, alone, shared) => {
    const ids = await sessions(4, 2);
    const holder = await OpenTransaction.begin(test.database);
    await holder.query('SELECT FROM jwt_session WHERE id = $1 FOR UPDATE', [ids[1]![0]]);
    const [first, locked, third, fourth] = logOutEach(ids);
    await Promise.all([first, third, fourth]);
    await untilWaiting(test.database, 1);
    expect(log.take()).toEqual([alone, shared, alone]);
    expect((await reasons())[ids[1]![1]!]).toBeNull();
    await holder.commit();
    expect(await locked).toBe(alone === ONE ? true : 2);
    expect((await reasons())[ids[1]![0]!]).not.toBeNull();
  });

  it('a row that makes its statement fail fails no other', async () => {
    const ids = (await sessions(4)).flat();
    await test.database.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id = '${ids[2]!}' THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW; END $$`);
    await test.database.query(
      'CREATE TRIGGER refuse_change BEFORE UPDATE ON jwt_session FOR EACH ROW EXECUTE FUNCTION refuse_change()',
    );
    try {
      const answers = await Promise.allSettled(ids.map(logOut));
      expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
      expect(log.take()).toEqual([ONE, SEVERAL, ONE, ONE, ONE]);
    } finally {
      await test.database.query('DROP FUNCTION refuse_change CASCADE');
    }
  });

  it("within the caller's transaction each has a statement of its own, which is rolled back with it", async () => {
    const ids = (await sessions(3)).flat();
    const rolledBack = test.app.get(DataSource).transaction(async manager => {
      for (const id of ids) await test.sessions.logOut(id, { manager });
      throw new Error('rolled back');
    });
    await expect(rolledBack).rejects.toThrow('rolled back');
    expect(log.take()).toEqual(['START TRANSACTION', ONE, ONE, ONE, 'ROLLBACK']);
    expect(Object.values(await reasons())).toEqual([null, null, null]);
  });
});

describe('shared log-outs of two processes', () => {
  it('R05: the same users and sessions in opposite orders: no deadlock, and each session ends once', async () => {
    const one = await startTestApp(PATIENTLY);
    const two = await startTestApp({ ...PATIENTLY, database: one.database, clock: one.clock });
    try {
      const users = Array.from({ length: 20 }, (_, index) => `user ${index}`);
      for (let round = 0; round < 5; round++) {
        const logins = await Promise.all([...users, ...users].map(user => one.sessions.logIn(user)));
        const all = (order: string[], { sessions }: TestApp) => order.map(user => sessions.logOutAll(user));
        const single = logins.map(({ session }) => two.sessions.logOut(session.id));
        const ended = await Promise.all([...all(users, one), ...all(users.toReversed(), two), ...single]);
        const numbers = ended.map(Number);
        expect(numbers.reduce((sum, number) => sum + number)).toBe(logins.length);
      }
    } finally {
      await two.app.close();
      await one.app.close();
    }
    expect(await deadlocksOf(one.database)).toBe(0);
    await one.database.drop();
  });
});
