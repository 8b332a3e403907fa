import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { SessionModuleOptions, TransactionOption } from 'nestjs-jwt-session';
import { TestDatabase } from '../support/database.js';
import { deadlocksOf } from '../support/races.js';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';

/** Every outcome: `ok`, or the code of the refusal. */
async function outcomes(logins: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(logins);
  return settled.map(one =>
    one.status === 'fulfilled' ? 'ok' : String((one.reason as Error & { errorCode?: string }).errorCode),
  );
}

const inTransaction = <T>(app: TestApp, run: (joined: TransactionOption) => Promise<T>) =>
  app.app.get<DataSource>(getDataSourceToken()).transaction(manager => run({ manager }));

describe('F31: logins of one user at once', () => {
  let database: TestDatabase;
  let apps: TestApp[];
  beforeEach(async () => {
    database = await TestDatabase.create();
    apps = [];
  });
  afterEach(async () => {
    await Promise.all(apps.map(app => app.close()));
    // Also those that a retry would have hidden.
    expect(await deadlocksOf(database)).toBe(0);
    await database.drop();
  });

  /** Each with a pool of its own, as processes have. */
  async function start(count: number, session: SessionModuleOptions['session'], options: TestAppOptions = {}) {
    for (let started = 0; started < count; started++) {
      apps.push(await startTestApp({ database, clock: apps[0]?.clock, session: { session }, ...options }));
    }
    return apps;
  }

  const live = async () => (await apps[0]!.sessions.list('ada')).length;

  it('scenario 26: 50 in four processes leave exactly as many as are allowed', async () => {
    await start(4, { maxPerUser: 3 });
    const logins = Array.from({ length: 50 }, (_, n) => apps[n % 4]!.sessions.logIn('ada'));
    expect(new Set(await outcomes(logins))).toEqual(new Set(['ok']));
    expect(await live()).toBe(3);
    const tokens = await Promise.all(logins);
    // Who was evicted is refused in every process, and only those.
    const accepted = async (app: TestApp) =>
      (await outcomes(tokens.map(({ accessToken }) => app.sessions.verify(accessToken!)))).filter(one => one === 'ok');
    for (const app of apps) await until(async () => (await accepted(app)).length === 3);
  });

  it('scenario 26: of 50 in four processes exactly as many as are allowed are admitted', async () => {
    await start(4, { maxPerUser: 3, onLimit: 'reject' });
    const answers = await outcomes(Array.from({ length: 50 }, (_, n) => apps[n % 4]!.sessions.logIn('ada')));
    expect(answers.filter(answer => answer === 'ok')).toHaveLength(3);
    expect(answers.filter(answer => answer === 'session_limit_reached')).toHaveLength(47);
    expect(await live()).toBe(3);
  });

  it('beside refreshes and log-outs of the same user', async () => {
    const [app] = await start(4, { maxPerUser: 3 });
    const sessions = await Promise.all([1, 2, 3].map(() => app!.sessions.logIn('ada')));
    const beside = (n: number) => {
      const { sessions: service } = apps[n % 4]!;
      if (n % 3 === 0) return service.logOutOthers(sessions[n % 3]!.session);
      if (n % 3 === 1) return service.refresh({ refreshToken: sessions[n % 3]!.refreshToken! }).catch(() => undefined);
      return service.logIn('ada');
    };
    await Promise.all(Array.from({ length: 60 }, (_, n) => beside(n)));
    expect(await live()).toBeLessThanOrEqual(3);
  });

  it.each(['evict-oldest', 'reject'] as const)(
    "within the callers' transactions, of which some roll back (%s)",
    async onLimit => {
      await start(2, { maxPerUser: 2, onLimit });
      const logins = Array.from({ length: 20 }, (_, n) =>
        inTransaction(apps[n % 2]!, async joined => {
          await apps[n % 2]!.sessions.logIn('ada', joined);
          if (n % 4 === 3) throw Object.assign(new Error(), { errorCode: 'rolled-back' });
        }),
      );
      const answers = await outcomes(logins);
      expect(await live()).toBe(2);
      expect(answers.filter(answer => answer === 'ok')).toHaveLength(onLimit === 'reject' ? 2 : 15);
    },
  );

  it('what a transaction that rolls back would have evicted lives on, also in memory', async () => {
    const [app] = await start(1, { maxPerUser: 1 });
    const { accessToken } = await app!.sessions.logIn('ada');
    const rolledBack = inTransaction(app!, async joined => {
      await app!.sessions.logIn('ada', joined);
      throw new Error('changed my mind');
    });
    await expect(rolledBack).rejects.toThrow('changed my mind');
    expect((await app!.sessions.verify(accessToken!)).userId).toBe('ada');
    await inTransaction(app!, joined => app!.sessions.logIn('ada', joined));
    await expect(app!.sessions.verify(accessToken!)).rejects.toMatchObject({ errorCode: 'session_revoked' });
  });

  it.each(['evict-oldest', 'reject'] as const)('on a pool of one connection (%s)', async onLimit => {
    const typeorm = { extra: { max: 1, connectionTimeoutMillis: 30_000 } };
    const [app] = await start(1, { maxPerUser: 2, onLimit }, { typeorm });
    const logins = Array.from({ length: 30 }, (_, n) =>
      n % 2 ? app!.sessions.logIn('ada') : inTransaction(app!, joined => app!.sessions.logIn('ada', joined)),
    );
    const answers = await outcomes(logins);
    expect(answers.filter(answer => answer === 'ok')).toHaveLength(onLimit === 'reject' ? 2 : 30);
    expect(await live()).toBe(2);
  });
});
