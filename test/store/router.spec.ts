import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { bucketOfUser } from '../../lib/rules/bucket.js';
import { CookieClient } from '../support/client.js';
import { dataSourceOn } from '../support/data-source.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { distribute } from '../support/router.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const DATABASES = 3;

/** A user of each database. */
const USERS = Array.from({ length: DATABASES }, (_, part) => {
  for (let n = 0; ; n++) if (bucketOfUser(`user-${n}`) % DATABASES === part) return `user-${n}`;
});

describe('rows over three databases, each statement in one of them', () => {
  const sources: DataSource[] = [];
  const databases: TestDatabase[] = [];
  let test: TestApp;
  beforeAll(async () => {
    const server = process.env.TEST_DATABASE_URL!;
    for (let part = 0; part < DATABASES; part++) databases.push(await TestDatabase.create(server));
    const clock = await SharedClock.install(databases[0]!);
    for (const database of databases.slice(1)) {
      await SharedClock.install(database);
      const source = await dataSourceOn(database).initialize();
      await source.runMigrations();
      sources.push(source);
    }
    test = await startTestApp({
      database: databases[0]!,
      clock,
      session: { distributed: true, revocation: { feed: 'poll' }, onTheft: 'revoke-user', session: { leeway: '0s' } },
    });
    distribute(test, sources);
  });
  afterAll(async () => {
    await test?.close();
    for (const source of sources) await source.destroy();
    for (const database of databases) await database.drop();
  });

  const logIn = async (user: string) => {
    const client = new CookieClient(test.url);
    await client.logIn(user);
    return client;
  };
  const rowsOf = async (user: string) => {
    const text = `SELECT id FROM jwt_session WHERE user_id = $1 AND revoked_at IS NULL`;
    return Promise.all(databases.map(async database => (await database.query(text, [user])).length));
  };

  it.each(USERS)('%s: all rows of a user are in one database', async user => {
    await logIn(user);
    const rows = await rowsOf(user);
    expect(rows.map(count => count > 0)).toEqual(USERS.map(each => each === user));
  });

  it.each(USERS)('%s: a login replaces a session of the same user and one of another user', async user => {
    const client = await logIn(user);
    const [former] = await test.sessions.list(user);
    await client.logIn(user);
    expect((await test.sessions.list(user)).map(({ id }) => id)).not.toContain(former!.id);
    const other = USERS[(USERS.indexOf(user) + 1) % DATABASES]!;
    const before = (await test.sessions.list(user)).length;
    await client.logIn(other);
    expect(await test.sessions.list(user)).toHaveLength(before - 1);
    expect(await client.send('/me')).toMatchObject({ status: 200, body: { userId: other } });
  });

  it('refreshes of one turn, of users in all databases', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, (_, n) => logIn(`turn-${n}`)));
    const answers = await Promise.all(clients.map(client => client.refresh()));
    expect(answers.map(({ status }) => status)).toEqual(clients.map(() => 200));
    for (const client of clients) expect(await client.send('/me')).toMatchObject({ status: 200 });
  });

  it.each(USERS)('%s: a theft ends all sessions of the user, and no others', async user => {
    const others = await Promise.all(USERS.filter(each => each !== user).map(logIn));
    const [victim, second] = [await logIn(user), await logIn(user)];
    const stolen = victim.refreshToken!;
    await victim.refresh();
    await victim.send('/me');
    await test.confirmUses();
    await victim.refresh();
    await victim.send('/me');
    await test.confirmUses();
    await expect(test.sessions.refresh({ refreshToken: stolen })).rejects.toMatchObject({
      errorCode: 'token_theft_detected',
    });
    expect(await test.sessions.list(user)).toEqual([]);
    expect(await second.send('/me')).toMatchObject({ status: 401 });
    for (const other of others) expect(await other.send('/me')).toMatchObject({ status: 200 });
  });

  it.each(USERS)('%s: data, claims, invalidation, log-out of others and of all', async user => {
    const [client, second] = [await logIn(user), await logIn(user)];
    const { sessionId } = (await client.send('/me')).body as { sessionId: string };
    await test.sessions.setData(sessionId, { theme: 'dark' });
    expect(await test.sessions.getData(sessionId)).toEqual({ theme: 'dark' });
    await test.sessions.setClaims(sessionId, { role: 'admin' });
    await client.refresh();
    expect((await client.send('/me')).body.claims).toEqual({ role: 'admin' });
    await test.sessions.invalidateTokens(user, 'access');
    expect(await client.send('/me')).toMatchObject({ status: 401 });
    expect(await client.refresh()).toMatchObject({ status: 200 });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    await test.sessions.logOutOthers({ id: sessionId, userId: user });
    expect(await second.refresh()).toMatchObject({ status: 401 });
    await test.sessions.logOutAll(user);
    expect(await rowsOf(user)).toEqual(USERS.map(() => 0));
    expect(await client.send('/me')).toMatchObject({ status: 401 });
  });

  it('an impersonation is refused, because actor and user may be on different machines', async () => {
    const client = await logIn(USERS[0]!);
    const { sessionId } = (await client.send('/me')).body as { sessionId: string };
    const actor = { id: sessionId, userId: USERS[0]! };
    await expect(test.sessions.impersonate(actor, USERS[1]!)).rejects.toThrow('"distributed"');
  });

  it('the poll reads what ended in each database', async () => {
    const clients = await Promise.all(USERS.map(logIn));
    for (const database of databases)
      await database.query(`UPDATE jwt_session SET revoked_at = now() WHERE revoked_at IS NULL`);
    await test.advance('11s');
    for (const client of clients) expect(await client.send('/me')).toMatchObject({ status: 401 });
  });
});
