import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { CookieClient } from '../support/client.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { untilWaiting } from '../support/races.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const PERSONAL = { claims: { role: 'admin' }, data: { theme: 'dark' }, label: "Ada's laptop" };
const BLANK = {
  claims: {},
  data: null,
  label: null,
  ip: null,
  user_agent: null,
  user_agent_hash: null,
  key_thumbprint: null,
};

describe.each(PLATFORMS)('export and erasure on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({ controllers: [LogInWithController] });
    other = await apps.start();
  });
  afterAll(() => apps?.close());

  async function logIn(userId: string): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    const headers = { 'user-agent': 'Ada/1.0' };
    const answer = await client.send('/log-in-with', { method: 'POST', headers, body: { userId, ...PERSONAL } });
    expect(answer.status).toBe(200);
    return client;
  }

  const rowsOf = (userId: string) =>
    test.database.query<Record<string, unknown>>(
      `SELECT * FROM jwt_session WHERE user_id = '${userId}' ORDER BY created_at`,
    );

  it('export tells what is stored of live and of ended sessions, by one statement', async () => {
    await logIn('export');
    await (await logIn('export')).send('/session/logout', { method: 'POST' });
    await logIn('somebody-else');
    const exported = await test.sessions.export('export');
    expect(exported).toEqual(
      ['logout', null].map(revokedReason => ({
        id: expect.any(String),
        userId: 'export',
        ...PERSONAL,
        userAgent: 'Ada/1.0',
        ip: '127.0.0.1',
        boundBy: null,
        actor: null,
        createdAt: expect.any(Date),
        lastSeenAt: expect.any(Date),
        expiresAt: expect.any(Date),
        revokedAt: revokedReason === null ? null : expect.any(Date),
        revokedReason,
      })),
    );
    expect(await statementsDuring(test, () => test.sessions.export('export'))).toHaveLength(1);
    expect(await test.sessions.export('unknown')).toEqual([]);
  });

  it('erase ends the sessions at once, in each process, and blanks their rows, by one statement', async () => {
    const client = await logIn('erased');
    await (await logIn('erased')).send('/session/logout', { method: 'POST' });
    const bystander = await logIn('bystander');
    const ended = other.events;
    let count = 0;
    const statements = await statementsDuring(test, async () => {
      count = await test.sessions.erase('erased');
    });
    expect(statements).toHaveLength(1);
    expect(count).toBe(1);
    expect(await client.sendOnly('/me')).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
    const refreshed = await client.sendOnly('/session/refresh', { method: 'POST' });
    expect(refreshed).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
    await other.advance('1s');
    expect(ended).toContainEqual(expect.objectContaining({ type: 'session.revoked', reason: 'erased' }));
    expect(await rowsOf('erased')).toMatchObject([
      { ...BLANK, revoked_reason: 'erased' },
      { ...BLANK, revoked_reason: 'logout' },
    ]);
    expect(await bystander.send('/me')).toMatchObject({ status: 200 });
    expect(await rowsOf('bystander')).toMatchObject([{ ...PERSONAL, revoked_reason: null }]);
    expect(await test.sessions.erase('erased')).toBe(0);
  });

  it('an erasure that is rolled back changes nothing', async () => {
    const client = await logIn('kept');
    const work = test.app.get(DataSource).transaction(async manager => {
      expect(await test.sessions.erase('kept', { manager })).toBe(1);
      throw new Error('rolled back');
    });
    await expect(work).rejects.toThrow('rolled back');
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    expect(await rowsOf('kept')).toMatchObject([{ ...PERSONAL, revoked_at: null }]);
  });

  it('a session that is ended while the erasure waits for its row keeps its reason, and is blank', async () => {
    await logIn('race');
    const [row] = await rowsOf('race');
    let erasure!: Promise<number>;
    await test.app.get(DataSource).transaction(async manager => {
      await test.sessions.logOut(String(row!.id), { manager, reason: 'first' });
      erasure = test.sessions.erase('race');
      await untilWaiting(test.database, 1);
    });
    expect(await erasure).toBe(0);
    expect(await rowsOf('race')).toMatchObject([{ ...BLANK, revoked_reason: 'first' }]);
  });
});
