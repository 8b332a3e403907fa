import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SessionModule, SessionService, SessionUsageError } from 'nestjs-jwt-session';
import { startApplication, typeOrmOn } from '../support/application.js';
import { TestDatabase } from '../support/database.js';
import { SECRET } from '../support/test-app.js';

interface Place {
  readonly typeorm: { name?: string; schema?: string; entityPrefix?: string };
  /** The table as an operator would write it in psql. */
  readonly table: string;
}

describe.each<[string, Place]>([
  ['the default schema', { typeorm: {}, table: 'public.jwt_session' }],
  ['another schema', { typeorm: { schema: 'auth' }, table: 'auth.jwt_session' }],
  ['an entity prefix', { typeorm: { entityPrefix: 'shop_' }, table: 'public.shop_jwt_session' }],
  [
    'a schema that wants quotes, with a prefix',
    { typeorm: { schema: 'Auth 1', entityPrefix: 'Shop-' }, table: '"Auth 1"."Shop-jwt_session"' },
  ],
  ['a named data source', { typeorm: { name: 'sessions' }, table: 'public.jwt_session' }],
  [
    'a named data source with schema and prefix',
    { typeorm: { name: 'sessions', schema: 'auth', entityPrefix: 'shop_' }, table: 'auth.shop_jwt_session' },
  ],
])('sessions in %s', (_, { typeorm, table }) => {
  let database: TestDatabase;
  let app: INestApplication;
  beforeAll(async () => {
    database = await TestDatabase.create();
    if (typeorm.schema) await database.query(`CREATE SCHEMA "${typeorm.schema}"`);
    ({ app } = await startApplication({
      imports: [
        typeOrmOn(database, typeorm),
        SessionModule.forRoot({ secret: SECRET, dataSource: typeorm.name, controller: false }),
      ],
    }));
  });
  afterAll(async () => {
    await app?.close();
    await database.drop();
  });

  it('are created, refreshed, listed, kept with data, ended and cleaned up', async () => {
    const sessions = app.get(SessionService);
    const { session, refreshToken } = await sessions.logIn('ada', { data: { theme: 'dark' } });
    await sessions.refresh({ refreshToken: refreshToken! });
    expect(await sessions.list('ada')).toMatchObject([{ id: session.id }]);
    await sessions.setData(session.id, { theme: 'light' });
    expect(await sessions.getData(session.id)).toEqual({ theme: 'light' });
    expect(await sessions.get(session.id)).toMatchObject({ userId: 'ada' });
    expect(await sessions.logOut(session.id)).toBe(true);
    expect(await sessions.cleanUp({ dryRun: true })).toEqual({ sessions: 0, devices: 0, keys: 0 });
    expect((await sessions.status()).status).toBe('up');
    expect(await database.query(`SELECT user_id, revoked_reason FROM ${table}`)).toEqual([
      { user_id: 'ada', revoked_reason: 'logout' },
    ]);
  });

  it('commit with the transaction of the caller on that data source', async () => {
    const sessions = app.get(SessionService);
    const dataSource = app.get<DataSource>(getDataSourceToken(typeorm.name));
    const { session } = await sessions.logIn('grace');
    const rolledBack = dataSource.transaction(async manager => {
      await sessions.logOutAll('grace', { manager });
      throw new Error('something else failed');
    });
    await expect(rolledBack).rejects.toThrow('something else failed');
    expect(await sessions.get(session.id)).not.toBeNull();
    expect(await dataSource.transaction(manager => sessions.logOutAll('grace', { manager }))).toBe(1);
  });
});

describe('two data sources', () => {
  let own: TestDatabase;
  let other: TestDatabase;
  let app: INestApplication;
  beforeAll(async () => {
    [own, other] = await Promise.all([TestDatabase.create(), TestDatabase.create()]);
    ({ app } = await startApplication({
      imports: [
        typeOrmOn(other, { migrations: [] }),
        typeOrmOn(own, { name: 'sessions', autoLoadEntities: false, entities: [...SESSION_ENTITIES] }),
        SessionModule.forRoot({ secret: SECRET, dataSource: 'sessions' }),
      ],
    }));
  });
  afterAll(async () => {
    await app?.close();
    await Promise.all([own.drop(), other.drop()]);
  });

  it('only the named one has the tables', async () => {
    await app.get(SessionService).logIn('ada');
    const find = `SELECT count(*)::int AS tables FROM pg_tables WHERE tablename LIKE 'jwt_session%'`;
    expect(await own.query(find)).toEqual([{ tables: 4 }]);
    expect(await other.query(find)).toEqual([{ tables: 0 }]);
  });

  it('a transaction on the other one is refused, and says which to use', async () => {
    const login = app
      .get<DataSource>(getDataSourceToken())
      .transaction(manager => app.get(SessionService).logIn('grace', { manager }));
    await expect(login).rejects.toThrow(SessionUsageError);
    await expect(login).rejects.toThrow(/"manager" belongs to another data source/);
    expect(await app.get(SessionService).list('grace')).toEqual([]);
  });
});
