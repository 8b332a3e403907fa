import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS, SessionEntity, SessionModule, SessionService } from 'nestjs-jwt-session';
import { startApplication, typeOrmOn } from '../support/application.js';
import { dataSourceOn, driftOf } from '../support/data-source.js';
import { TestDatabase } from '../support/database.js';
import { SECRET } from '../support/test-app.js';
import { type Schema, schemaOf } from './schema.js';

const PLACES = [{}, { schema: 'auth' }, { entityPrefix: 'shop_' }, { schema: 'auth', entityPrefix: 'shop_' }];

/** The room left on pages is what `synchronize` does not know. */
async function shapeOf(database: TestDatabase, schema: string): Promise<Omit<Schema, 'storage'>> {
  const { storage: _, ...shape } = await schemaOf(database, schema);
  return shape;
}

describe('SESSION_MIGRATIONS', () => {
  let database: TestDatabase;
  const open: DataSource[] = [];
  beforeEach(async () => {
    database = await TestDatabase.create();
    await database.query('CREATE SCHEMA auth');
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map(dataSource => dataSource.destroy()));
    await database.drop();
  });

  async function connect(options: object = {}): Promise<DataSource> {
    const dataSource = await dataSourceOn(database, options).initialize();
    open.push(dataSource);
    return dataSource;
  }

  /** Tables, indexes and constraints of ours, wherever they are. */
  const relations = () =>
    database.query(`SELECT relname FROM pg_class WHERE relname LIKE '%jwt_session%' ORDER BY relname`);

  it.each(PLACES)('leave no drift, go down without a trace and up again with %j', async place => {
    const dataSource = await connect(place);
    await dataSource.runMigrations();
    expect(await driftOf(dataSource)).toEqual([]);
    const made = await relations();
    expect(made).toHaveLength(14);
    const [table] = await database.query(
      `SELECT reloptions FROM pg_class WHERE relkind = 'r' AND relname LIKE '%jwt_session'`,
    );
    // Room on the pages for the rows' next versions.
    expect(table).toEqual({ reloptions: ['fillfactor=80'] });

    for (const _ of SESSION_MIGRATIONS) await dataSource.undoLastMigration();
    expect(await relations()).toEqual([]);
    await dataSource.runMigrations();
    expect(await relations()).toEqual(made);
    expect(await driftOf(dataSource)).toEqual([]);
  });

  it('make what synchronize makes', async () => {
    await (await connect()).runMigrations();
    await (await connect({ schema: 'auth' })).synchronize();
    expect(await shapeOf(database, 'auth')).toEqual(await shapeOf(database, 'public'));
  });

  it.each(PLACES)('after synchronize keep the tables and their rows, with %j', async place => {
    const logIn = async (options: object) => {
      const imports = [typeOrmOn(database, { ...place, ...options }), SessionModule.forRoot({ secret: SECRET })];
      const { app } = await startApplication({ imports });
      const sessions = app.get(SessionService);
      const { session } = await sessions.logIn('ada');
      const found = await sessions.list('ada');
      await app.close();
      return { id: session.id, found: found.map(({ id }) => id) };
    };
    const first = await logIn({ synchronize: true, migrations: [], migrationsRun: false });
    const second = await logIn({});
    expect(second.found).toEqual([second.id, first.id]);
    expect(await driftOf(await connect(place))).toEqual([]);
  });

  it('are not undone or repeated by a synchronize that comes later', async () => {
    const dataSource = await connect();
    await dataSource.runMigrations();
    const made = await relations();
    await dataSource.synchronize();
    expect(await relations()).toEqual(made);
    expect(await dataSource.showMigrations()).toBe(false);
  });

  it('run beside the migrations of the application, in one transaction with them', async () => {
    class Application1700000000000 {
      up = async () => {
        throw new Error('the application is wrong');
      };
      down = async () => {};
    }
    const dataSource = await connect({ migrations: [...SESSION_MIGRATIONS, Application1700000000000] });
    await expect(dataSource.runMigrations({ transaction: 'all' })).rejects.toThrow('the application is wrong');
    expect(await relations()).toEqual([]);
  });

  it('say what to add where the data source does not know the entities', async () => {
    const dataSource = await connect({ entities: [] });
    await expect(dataSource.runMigrations()).rejects.toThrow(
      'add ...SESSION_ENTITIES to the data source\'s "entities"',
    );
  });

  it('have names that survive minifiers', () => {
    for (const Migration of SESSION_MIGRATIONS) expect(new Migration().name).toBe(Migration.name);
  });
});

describe('SESSION_ENTITIES', () => {
  it.each([
    ['autoLoadEntities', {}],
    ['a list', { autoLoadEntities: false, entities: [...SESSION_ENTITIES] }],
    ['a list and autoLoadEntities', { entities: [SessionEntity] }],
  ])('are known to the data source by %s', async (_, options) => {
    const database = await TestDatabase.create();
    const imports = [typeOrmOn(database, options), SessionModule.forRoot({ secret: SECRET })];
    const { app } = await startApplication({ imports });
    const { session } = await app.get(SessionService).logIn('ada', { claims: { role: 'admin' }, label: 'phone' });
    // The application's own reports read sessions by the entity.
    const [row] = await app.get(DataSource).getRepository(SessionEntity).findBy({ userId: 'ada' });
    expect(row).toMatchObject({ id: session.id, claims: { role: 'admin' }, label: 'phone', revokedAt: null });
    expect(row!.createdAt).toBeInstanceOf(Date);
    await app.close();
    await database.drop();
  });
});
