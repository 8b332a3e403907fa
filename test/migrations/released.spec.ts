import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { ACCOUNT_ENTITIES, ACCOUNT_MIGRATIONS } from 'nestjs-jwt-session/accounts';
import { dataSourceOn, driftOf } from '../support/data-source.js';
import { TestDatabase } from '../support/database.js';
import { Recording, RECORDINGS } from './recordings.js';
import { breaksIn, type Schema, schemaOf } from './schema.js';

const MIGRATIONS = [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS];
const ENTITIES = [...SESSION_ENTITIES, ...ACCOUNT_ENTITIES];

const databases: TestDatabase[] = [];

function dropDatabasesAfterEach(): void {
  afterEach(() => Promise.all(databases.splice(0).map(database => database.drop())));
}

async function create(): Promise<TestDatabase> {
  const database = await TestDatabase.create();
  databases.push(database);
  return database;
}

async function recorded(recording: Recording): Promise<TestDatabase> {
  const database = await create();
  await recording.load(database);
  return database;
}

async function withDataSource<T>(
  database: TestDatabase,
  options: object,
  work: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const dataSource = await dataSourceOn(database, { entities: ENTITIES, ...options }).initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

const migrate = (database: TestDatabase, migrations = MIGRATIONS) =>
  withDataSource(database, { migrations }, async dataSource => {
    const run = await dataSource.runMigrations();
    return { run: run.map(({ name }) => name), drift: await driftOf(dataSource) };
  });

/** The names that TypeORM has noted, in their order. */
async function noted(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ name: string }>('SELECT name FROM migrations ORDER BY id');
  return rows.map(({ name }) => name);
}

describe.each(RECORDINGS.map(recording => [recording.version, recording] as const))(
  'the migrations of version %s',
  (_, recording) => {
    dropDatabasesAfterEach();

    it('are still there under their names, and make what they made', async () => {
      const old = await recorded(recording);
      const names = await noted(old);
      const released = MIGRATIONS.filter(({ name }) => names.includes(name));
      expect(released.map(Migration => new Migration().name)).toEqual(names);
      const now = await create();
      await migrate(now, released);
      expect(await schemaOf(now)).toEqual(await schemaOf(old));
    });

    it('are followed by the later ones, to the schema of this version, and never run again', async () => {
      const old = await recorded(recording);
      const former = await noted(old);
      const { run, drift } = await migrate(old);
      expect([...former, ...run]).toEqual(MIGRATIONS.map(({ name }) => name));
      expect(drift).toEqual([]);
      const now = await create();
      await migrate(now);
      expect(await schemaOf(old)).toEqual(await schemaOf(now));
      expect((await migrate(old)).run).toEqual([]);
    });

    // Where this must change, because the last release no longer uses a column: name here what has gone, and since
    // when.
    it('are followed only by migrations that do not affect the released code', async () => {
      const old = await recorded(recording);
      const before = await schemaOf(old);
      await migrate(old);
      expect(breaksIn(before, await schemaOf(old))).toEqual([]);
    });
  },
);

describe('a version', () => {
  dropDatabasesAfterEach();

  it('is released with a recording of its database, where it brings a migration', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    const versions = RECORDINGS.map(recording => recording.version);
    const known = await noted(await recorded(RECORDINGS.at(-1)!));
    const isNew = MIGRATIONS.some(({ name }) => !known.includes(name));
    // To add a recording: see test/migrations/fixtures/record.mjs.
    if (isNew) expect(versions).toContain(version);
  });
});

describe('the code of the last release', () => {
  dropDatabasesAfterEach();

  let database: TestDatabase;
  let before: Schema;
  beforeAll(async () => {
    database = await TestDatabase.create();
    await migrate(database);
    before = await schemaOf(database);
  });
  afterAll(() => database.drop());

  /** What breaks with a change, which is then taken back. */
  async function breaksOf(change: string): Promise<string[]> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query(change);
      return breaksIn(
        before,
        await schemaOf({ query: async (text, values) => (await client.query(text, values)).rows }),
      );
    } finally {
      await client.end();
    }
  }

  it('does not notice what is added', async () => {
    const addition = `
      ALTER TABLE jwt_session ADD COLUMN risk_score integer, ADD COLUMN refreshes integer NOT NULL DEFAULT 0;
      CREATE INDEX by_label ON jwt_session (label);
      CREATE TABLE jwt_session_note (id uuid PRIMARY KEY, text text NOT NULL)`;
    expect(await breaksOf(addition)).toEqual([]);
  });

  it.each([
    ['jwt_session', 'ADD COLUMN risk_score integer NOT NULL', 'risk_score must be written'],
    ['jwt_session', 'RENAME COLUMN label TO title', 'label is changed or gone'],
    ['jwt_session', 'DROP COLUMN label', 'label is changed or gone'],
    ['jwt_session', 'ALTER COLUMN label SET NOT NULL', 'label is changed or gone'],
    ['jwt_session', 'ALTER COLUMN label TYPE varchar(80)', 'label is changed or gone'],
    ['jwt_session', 'ALTER COLUMN user_id DROP NOT NULL', 'user_id is changed or gone'],
    ['jwt_session', 'ALTER COLUMN token_version DROP DEFAULT', 'token_version is changed or gone'],
    ['jwt_session', 'ADD CONSTRAINT short_label CHECK (length(label) < 80)', 'short_label is stricter'],
    ['jwt_session', 'ADD CONSTRAINT one_label UNIQUE (label)', 'one_label is stricter'],
    ['jwt_session', 'RESET (fillfactor)', 'storage is changed or gone'],
    ['jwt_account', 'DROP CONSTRAINT jwt_account_email_key', 'jwt_account_email_key is changed or gone'],
    ['jwt_account', 'RENAME TO account', 'storage is changed or gone'],
  ])('notices ALTER TABLE %s %s', async (table, change, notice) => {
    expect(await breaksOf(`ALTER TABLE ${table} ${change}`)).toContain(`${table}.${notice}`);
  });
});
