import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openDataSource, typeOrmOptions } from '../../sample/app/database.js';
import { SESSION_ENTITIES } from 'nestjs-jwt-session';
import { TestDatabase } from '../support/database.js';

describe('the data source of the sample', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database?.drop());

  it('runs the migrations on a pool of one connection, and again on a database that has them', async () => {
    const options = typeOrmOptions(database.url);
    for (let start = 1; start <= 2; start++) {
      const one = {
        ...options,
        entities: SESSION_ENTITIES,
        extra: { ...options.extra, max: 1, connectionTimeoutMillis: 5_000 },
      };
      const dataSource = await openDataSource(one as Parameters<typeof openDataSource>[0]);
      try {
        expect(await dataSource.showMigrations()).toBe(false);
      } finally {
        await dataSource.destroy();
      }
    }
  });
});
