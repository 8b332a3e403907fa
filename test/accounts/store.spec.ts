import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity } from 'typeorm';
import {
  ACCOUNT_ENTITIES,
  ACCOUNT_MIGRATIONS,
  AccountEntity,
  AttemptStore,
  TypeOrmAccountStore,
} from 'nestjs-jwt-session/accounts';
import { accountStoreContract } from 'nestjs-jwt-session/accounts/testing';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { AccountDatabase } from '../../lib/accounts/store/account.database.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { dataSourceOn, driftOf } from '../support/data-source.js';
import { SharedClock, TestDatabase } from '../support/database.js';

@Entity({ name: 'customer' })
class Customer extends AccountEntity {
  @Column({ type: 'text', nullable: true })
  company!: string | null;

  @Column({ type: 'integer', default: 0 })
  credit!: number;
}

const EXTENDED = [Customer, ...ACCOUNT_ENTITIES.filter(entity => entity !== AccountEntity)];
const MIGRATIONS = { entities: [...ACCOUNT_ENTITIES], migrations: [...ACCOUNT_MIGRATIONS] };

async function open(database: TestDatabase, options: object = {}): Promise<DataSource> {
  return dataSourceOn(database, { ...MIGRATIONS, ...options }).initialize();
}

describe.each([
  ['AccountEntity', AccountEntity, { entities: [...ACCOUNT_ENTITIES] }],
  ['a class of the application', Customer, { entities: EXTENDED, synchronize: true, migrations: [] }],
])('TypeOrmAccountStore with %s', (_, entity, options) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  beforeAll(async () => {
    database = await TestDatabase.create();
    dataSource = await open(database, { ...options, extra: { max: 30 } });
    await dataSource.runMigrations();
  });
  afterAll(async () => {
    await dataSource?.destroy();
    await database?.drop();
  });

  for (const { name, run } of accountStoreContract(
    () => new TypeOrmAccountStore(new AccountDatabase(dataSource, new SessionTimers()), entity),
  ))
    it(name, run);
});

describe('the contract of AccountStore', () => {
  it('finds a store that checks before it writes', async () => {
    const accounts = new Map<string, object>();
    const careless = {
      findByEmail: async (emailKey: string) => accounts.get(emailKey) ?? null,
      insert: async (account: { emailKey: string }) => {
        const taken = (await careless.findByEmail(account.emailKey)) !== null;
        if (!taken) accounts.set(account.emailKey, account);
        return !taken;
      },
    };
    const tests = accountStoreContract(() => careless as never);
    const race = tests.find(({ name }) => name.includes('one of many'))!;
    await expect(race.run()).rejects.toThrow('strictly equal');
  });
});

const PLACES = [{}, { schema: 'auth' }, { entityPrefix: 'shop_' }, { schema: 'auth', entityPrefix: 'shop_' }];

describe('ACCOUNT_MIGRATIONS', () => {
  it.each(PLACES)('leave no drift, go down without a trace and up again with %j', async place => {
    const database = await TestDatabase.create();
    await database.query('CREATE SCHEMA auth');
    const dataSource = await open(database, place);
    const relations = () =>
      database.query("SELECT relname FROM pg_class WHERE relname LIKE '%jwt_account%' ORDER BY 1");
    await dataSource.runMigrations();
    expect(await driftOf(dataSource)).toEqual([]);
    const made = await relations();
    expect(made).toHaveLength(17);
    await dataSource.undoLastMigration();
    expect(await relations()).toEqual([]);
    await dataSource.runMigrations();
    expect(await relations()).toEqual(made);
    await dataSource.synchronize();
    expect(await relations()).toEqual(made);
    await dataSource.destroy();
    await database.drop();
  });

  it('run beside SESSION_MIGRATIONS, after synchronize, and with the application’s own class and columns', async () => {
    const database = await TestDatabase.create();
    class AddColumns1764640000000 {
      up = async (runner: { query(text: string): Promise<unknown> }) => {
        await runner.query('ALTER TABLE customer ADD company text, ADD credit integer NOT NULL DEFAULT 0');
      };
      down = async () => {};
    }
    const dataSource = await open(database, {
      entities: [...SESSION_ENTITIES, ...EXTENDED],
      migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS, AddColumns1764640000000],
    });
    await dataSource.runMigrations();
    expect(await driftOf(dataSource)).toEqual([]);
    await dataSource.destroy();
    await database.drop();
  });

  it('say what to add where the data source does not know the entities, and have names that never change', async () => {
    const database = await TestDatabase.create();
    const dataSource = await open(database, { entities: [] });
    await expect(dataSource.runMigrations()).rejects.toThrow(
      'add ...ACCOUNT_ENTITIES to the data source\'s "entities"',
    );
    await dataSource.destroy();
    await database.drop();
    expect(ACCOUNT_MIGRATIONS.map(Migration => [Migration.name, new Migration().name])).toEqual([
      ['NestjsJwtSessionAccounts1764633600000', 'NestjsJwtSessionAccounts1764633600000'],
    ]);
  });
});

describe('AttemptStore', () => {
  let database: TestDatabase;
  let clock: SharedClock;
  let processes: DataSource[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    processes = [await open(database), await open(database)];
    await processes[0]!.runMigrations();
  });
  afterAll(async () => {
    await Promise.all(processes.map(dataSource => dataSource.destroy()));
    await database.drop();
  });

  const stores = () =>
    processes.map(dataSource => new AttemptStore(new AccountDatabase(dataSource, new SessionTimers())));
  const attempt = (store: AttemptStore, key: string) => store.increment(key, 60_000, 10, 120_000, 'test');

  it('two processes at once let exactly as many attempts through as the limit says', async () => {
    const records = await Promise.all(Array.from({ length: 40 }, (_, n) => attempt(stores()[n % 2]!, 'race')));
    expect(
      records
        .filter(({ isBlocked }) => !isBlocked)
        .map(({ totalHits }) => totalHits)
        .sort((a, b) => a - b),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(records.filter(({ isBlocked }) => isBlocked)).toHaveLength(30);
  });

  it('blocks for as long as it says, and then begins anew', async () => {
    const [store] = stores();
    for (let n = 1; n <= 10; n++)
      expect(await attempt(store!, 'block')).toMatchObject({ totalHits: n, isBlocked: false });
    expect(await attempt(store!, 'block')).toMatchObject({ isBlocked: true, timeToBlockExpire: 120 });
    await clock.advance('90s');
    const blocked = await attempt(store!, 'block');
    expect(blocked.isBlocked).toBe(true);
    expect(blocked.timeToBlockExpire).toBeLessThanOrEqual(30);
    await clock.advance('30s');
    expect(await attempt(store!, 'block')).toEqual({
      totalHits: 1,
      timeToExpire: 60,
      isBlocked: false,
      timeToBlockExpire: 0,
    });
  });

  it('counts anew after its time, takes back what succeeded, and forgets what is over', async () => {
    const [store] = stores();
    await attempt(store!, 'window');
    expect(await attempt(store!, 'window')).toMatchObject({ totalHits: 2 });
    await store!.release('window', 'test');
    expect(await attempt(store!, 'window')).toMatchObject({ totalHits: 2 });
    await store!.reset('window', 'test');
    expect(await attempt(store!, 'window')).toMatchObject({ totalHits: 1 });
    await clock.advance('61s');
    expect(await attempt(store!, 'window')).toMatchObject({ totalHits: 1 });
    await clock.advance('5m');
    await store!.removeExpired();
    expect(await database.query('SELECT key FROM jwt_account_attempt')).toEqual([]);
  });
});
