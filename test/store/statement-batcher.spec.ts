import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { IssuedTokens } from 'nestjs-jwt-session';
import { startBehindProxy } from '../support/app-behind-proxy.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { deadlocksOf, OpenTransaction, untilWaiting } from '../support/races.js';
import { StatementLog } from '../support/statement-log.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const SEVERAL = 'jwt_session_rotate_several';
const ALONE = 'jwt_session_rotate';

/** What became of each promise: its value, or the error's code. */
function outcomesOf(promises: Promise<IssuedTokens>[]): Promise<(IssuedTokens | string)[]> {
  return Promise.all(promises.map(promise => promise.catch((error: { errorCode: string }) => error.errorCode)));
}

describe('refreshes and logins of one turn of the event loop share a statement', () => {
  let test: TestApp;
  let log: StatementLog;
  beforeAll(async () => {
    test = await startTestApp(PATIENTLY);
    log = new StatementLog(test.app);
  });
  afterAll(() => test?.close());
  beforeEach(() => {
    log.take();
  });

  const logIn = (userId = 'ada') => test.sessions.logIn(userId, { claims: { name: userId } });
  const refresh = (tokens: IssuedTokens) => test.sessions.refresh({ refreshToken: tokens.refreshToken! });

  /** So many sessions, each of a user of its own. */
  async function sessions(count: number): Promise<IssuedTokens[]> {
    const all = await Promise.all(Array.from({ length: count }, (_, index) => logIn(`user ${index}`)));
    log.take();
    return all;
  }

  it('PROTOCOL: of 17 refreshes one goes at once and 16 take one statement, each answered for its own session', async () => {
    const before = await sessions(17);
    const after = await Promise.all(before.map(refresh));
    expect(log.take()).toEqual([ALONE, SEVERAL]);
    after.forEach(({ session, accessToken }, index) => {
      expect(session).toMatchObject({ id: before[index]!.session.id, userId: `user ${index}` });
      expect(session.claims).toEqual({ name: `user ${index}` });
      expect(accessToken).toBeDefined();
    });
    expect(new Set(after.map(({ refreshToken }) => refreshToken)).size).toBe(17);
    for (const tokens of after) expect((await test.sessions.verify(tokens.accessToken!)).id).toBe(tokens.session.id);
    expect(await outcomesOf(after.map(refresh))).not.toContain('refresh_token_invalid');
  });

  it('of 17 logins one goes at once and 16 take one statement, and each user has a session of their own', async () => {
    const answers = await Promise.all(Array.from({ length: 17 }, (_, index) => logIn(`new ${index}`)));
    expect(log.take()).toEqual(['jwt_session_create', 'jwt_session_create_several']);
    answers.forEach(({ session }, index) => {
      expect(session).toMatchObject({ userId: `new ${index}`, claims: { name: `new ${index}` } });
    });
    expect(await test.sessions.list('new 7')).toMatchObject([{ id: answers[7]!.session.id }]);
  });

  it('one that is alone has the plain statement', async () => {
    const tokens = await logIn();
    await refresh(tokens);
    expect(log.take()).toEqual(['jwt_session_create', ALONE]);
  });

  it('more than sixteen are shared out', async () => {
    await Promise.all((await sessions(40)).map(refresh));
    expect(log.take()).toEqual([ALONE, SEVERAL, SEVERAL, SEVERAL]);
  });

  it("R02: a theft, an ended session and a stranger's token are refused, and nobody else with them", async () => {
    const [stolen, ended, ...honest] = await sessions(6);
    let newest = stolen!;
    for (let generation = 0; generation < 3; generation++) {
      await test.advance('31s');
      newest = await refresh(newest);
    }
    await test.sessions.logOut(ended!.session.id);
    const outcomes = await outcomesOf([stolen!, ended!, ...honest].map(refresh));
    expect(outcomes.slice(0, 2)).toEqual(['token_theft_detected', 'session_revoked']);
    expect(outcomes.slice(2).map(answer => typeof answer)).toEqual(['object', 'object', 'object', 'object']);
  });

  it('a row that makes its statement fail fails no other', async () => {
    const all = await sessions(5);
    const broken = all[2]!.session.id;
    await test.database.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id = '${broken}' THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW; END $$`);
    await test.database.query(
      'CREATE TRIGGER refuse_change BEFORE UPDATE ON jwt_session FOR EACH ROW EXECUTE FUNCTION refuse_change()',
    );
    try {
      const answers = await Promise.allSettled(all.map(refresh));
      expect(answers.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'rejected',
        'fulfilled',
        'fulfilled',
      ]);
      expect(log.take()).toEqual([ALONE, SEVERAL, ALONE, ALONE, ALONE, ALONE]);
    } finally {
      await test.database.query('DROP FUNCTION refuse_change CASCADE');
    }
  });

  it('a row that somebody has locked holds nobody else up, and is waited for by itself', async () => {
    const all = await sessions(4);
    const holder = await OpenTransaction.begin(test.database);
    await holder.query('SELECT FROM jwt_session WHERE id = $1 FOR UPDATE', [all[1]!.session.id]);
    const [first, locked, third, fourth] = all.map(refresh);
    expect(await outcomesOf([first!, third!, fourth!])).not.toContain('session_store_unavailable');
    await untilWaiting(test.database, 1);
    expect(log.take()).toEqual([ALONE, SEVERAL, ALONE]);
    await holder.commit();
    expect((await locked!).session.id).toBe(all[1]!.session.id);
  });
});

describe('a shared statement beside others of the same session', () => {
  it('R01: several tabs of one session in one turn get the same successor', async () => {
    // One connection, on which they take turns: the shared one skips a row that another has locked, and asks once more.
    const test = await startTestApp({ ...PATIENTLY, typeorm: { poolSize: 1 } });
    try {
      const log = new StatementLog(test.app);
      const [mine, other] = [await test.sessions.logIn('ada'), await test.sessions.logIn('grace')];
      log.take();
      const [first, second, third, another] = await Promise.all(
        [mine, mine, mine, other].map(({ refreshToken }) => test.sessions.refresh({ refreshToken: refreshToken! })),
      );
      expect(second!.refreshToken).toBe(first!.refreshToken);
      expect(third!.refreshToken).toBe(first!.refreshToken);
      expect(another!.session.id).toBe(other.session.id);
      expect(log.take().sort()).toEqual([ALONE, ALONE, SEVERAL]);
    } finally {
      await test.close();
    }
  });
});

describe('shared statements of two processes', () => {
  it('R05: the same 60 sessions in opposite orders: no deadlock, and one successor for both', async () => {
    const one = await startTestApp(PATIENTLY);
    const two = await startTestApp({ ...PATIENTLY, database: one.database, clock: one.clock });
    try {
      const users = Array.from({ length: 60 }, (_, index) => `user ${index}`);
      let tokens = await Promise.all(users.map(user => one.sessions.logIn(user)));
      for (let round = 0; round < 5; round++) {
        await one.advance('31s');
        const refresh = ({ sessions }: TestApp, all: IssuedTokens[]) =>
          Promise.all(all.map(({ refreshToken }) => sessions.refresh({ refreshToken: refreshToken! })));
        const [here, there] = await Promise.all([refresh(one, tokens), refresh(two, tokens.toReversed())]);
        expect(there!.toReversed().map(({ refreshToken }) => refreshToken)).toEqual(
          here!.map(({ refreshToken }) => refreshToken),
        );
        tokens = here!;
      }
    } finally {
      await two.app.close();
      await one.app.close();
    }
    expect(await deadlocksOf(one.database)).toBe(0);
    await one.database.drop();
  });
});

describe('a shared statement whose answer is lost', () => {
  it('R03: each refresh is told 503, and repeating is safe', async () => {
    const { test, proxy, close } = await startBehindProxy(PATIENTLY);
    try {
      const all = await Promise.all(['ada', 'grace', 'joan', 'mary'].map(user => test.sessions.logIn(user)));
      const refreshAll = () =>
        outcomesOf(all.map(({ refreshToken }) => test.sessions.refresh({ refreshToken: refreshToken! })));
      const lost = proxy.loseAnswerTo(SEVERAL);
      const [alone, ...shared] = await refreshAll();
      expect(alone).toMatchObject({ session: { userId: 'ada' } });
      expect(shared).toEqual(Array.from({ length: 3 }, () => 'session_store_unavailable'));
      await lost;
      expect((await refreshAll()).map(answer => typeof answer)).toEqual(['object', 'object', 'object', 'object']);
    } finally {
      await close();
    }
  });
});
