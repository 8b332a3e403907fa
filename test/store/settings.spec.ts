import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AccountApp } from '../accounts/account-app.js';
import { CookieClient } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS, startTestApp } from '../support/test-app.js';

/** Settings of servers and roles that change how values are written. */
const SETTINGS = [
  "datestyle = 'German'",
  "intervalstyle = 'sql_standard'",
  "bytea_output = 'escape'",
  "timezone = 'Asia/Tokyo'",
];

/** Types whose parsers applications replace: bytea, int4, json, float8, timestamptz, jsonb. */
const REPLACED = [17, 23, 114, 701, 1184, 3802];

async function databaseWithSettings(): Promise<TestDatabase> {
  const database = await TestDatabase.create();
  for (const setting of SETTINGS) await database.query(`ALTER DATABASE ${database.name} SET ${setting}`);
  return database;
}

describe.each(PLATFORMS)('settings of the server and type parsers of the application, on %s', platform => {
  const formerParsers = REPLACED.map(oid => pg.types.getTypeParser(oid));
  let database: TestDatabase;
  beforeAll(async () => {
    database = await databaseWithSettings();
    for (const oid of REPLACED) pg.types.setTypeParser(oid, text => text);
  });
  afterAll(async () => {
    REPLACED.forEach((oid, index) => pg.types.setTypeParser(oid, formerParsers[index]!));
    await database.drop();
  });

  it('change neither sessions nor keys, also after a restart', async () => {
    const before = Date.now();
    const first = await startTestApp({ platform, database });
    const client = new CookieClient(first.url);
    const login = await client.logIn('ada', { role: 'admin', nested: { list: [1, 2.5, null] } });
    expect(login.body.expiresIn).toBe(600);
    expect((await client.refresh()).status).toBe(200);
    const { id } = (await client.send('/session')).body as { id: string };
    await first.sessions.setData(id, { theme: 'dark' });
    await first.app.close();

    const second = await startTestApp({ platform, database, clock: first.clock });
    const later = new CookieClient(second.url);
    client.jar.forEach((value, name) => later.jar.set(name, value));
    expect((await later.send('/me')).body.claims).toEqual({ role: 'admin', nested: { list: [1, 2.5, null] } });
    await second.advance('11m');
    expect(await later.refresh()).toMatchObject({ status: 200, body: { expiresIn: 600 } });
    expect(await second.sessions.getData(id)).toEqual({ theme: 'dark' });
    const [device] = await second.sessions.list('ada');
    expect(device!.createdAt.getTime()).toBeGreaterThanOrEqual(before - 1);
    expect(device!.lastSeenAt.getTime() - device!.createdAt.getTime()).toBeGreaterThan(600_000);
    expect((await second.sessions.get(id))!.claims.role).toBe('admin');
    expect(await second.sessions.logOutAll('ada')).toBe(1);
    expect((await later.sendOnly('/me')).body.errorCode).toBe('session_revoked');
    expect((await second.sessions.status()).status).toBe('up');
    await second.app.close();
  });
});

describe.each(PLATFORMS)('a DateStyle other than ISO, on %s', platform => {
  it('leaves verified accounts verified and disabled ones disabled', async () => {
    const database = await databaseWithSettings();
    const app = await AccountApp.start({ platform, database });
    const id = await app.verified('ada@example.com');
    const client = await app.loggedIn('ada@example.com');
    const account = (await client.send('/account')).body;
    expect(account).toMatchObject({ email: 'ada@example.com', verified: true });
    expect(Math.abs(Date.parse(String(account.createdAt)) - Date.now())).toBeLessThan(600_000);
    await app.accounts.disable(id);
    expect((await app.accounts.find(id))!.disabled).toBe(true);
    await app.close();
    await database.drop();
  });
});
