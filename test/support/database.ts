import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { TestClock } from '../../lib/testing/index.js';
import { Citus } from './citus.js';
import { parseDuration } from '../../lib/common/duration.js';

/** A fresh database on the test server. */
export class TestDatabase {
  private constructor(
    readonly name: string,
    readonly url: string,
    private readonly server: string,
    /** The cluster whose databases have distributed tables (`CITUS_URL`). */
    readonly citus?: Citus,
  ) {}

  /** @param server the URL of a server of one's own, where its settings matter */
  static async create(server?: string): Promise<TestDatabase> {
    const name = `test_${randomBytes(6).toString('hex')}`;
    const citus = server === undefined ? Citus.current : undefined;
    if (citus) {
      await citus.createDatabase(name);
      return new TestDatabase(name, citus.urlsOf(name)[0]!, '', citus);
    }
    return this.createOn(server ?? process.env.TEST_DATABASE_URL!, name);
  }

  private static async createOn(server: string, name: string): Promise<TestDatabase> {
    const url = new URL(server);
    await withClient(url.href, client => client.query(`CREATE DATABASE ${name}`));
    url.pathname = `/${name}`;
    return new TestDatabase(name, url.href, server);
  }

  query<Row extends object = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return withClient(this.url, async client => (await client.query<Row>(text, values)).rows);
  }

  async drop(): Promise<void> {
    if (this.citus) return this.citus.dropDatabase(this.name);
    const drop = () =>
      withClient(this.server, client => client.query(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`));
    await drop().catch((error: unknown) => {
      // object_in_use: the server waits 5 s for the connections that it ends, and one may be stalled for longer.
      if ((error as { code?: unknown }).code !== '55006') throw error;
      return drop();
    });
  }
}

/**
 * One clock for the process and its database: `now()` and `clock_timestamp()` of the database are shadowed by functions
 * that add an offset, so that the real SQL runs an hour later without any sleeping. Create it before the application.
 */
export class SharedClock extends TestClock {
  private constructor(private readonly database: TestDatabase) {
    super();
  }

  static async install(database: TestDatabase): Promise<SharedClock> {
    if (database.citus) return new SharedClock(database);
    await database.query(`
      CREATE SCHEMA clock;
      CREATE TABLE clock.shift (milliseconds float8 NOT NULL);
      INSERT INTO clock.shift VALUES (0);
      CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS
        'SELECT pg_catalog.now() + (SELECT milliseconds FROM clock.shift) * interval ''1 millisecond''';
      CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
        'SELECT pg_catalog.clock_timestamp() + (SELECT milliseconds FROM clock.shift) * interval ''1 millisecond''';
      ALTER DATABASE ${database.name} SET search_path = public, clock, pg_catalog;
    `);
    return new SharedClock(database);
  }

  /** Moves the clock of the process alone. */
  advanceProcess(duration: string): void {
    super.advance(duration);
  }

  /** Moves both clocks; also back: `'-1h'`. */
  override async advance(duration: string): Promise<void> {
    const isBack = duration.startsWith('-');
    // The process's clock is moved last: otherwise a poll in between would find the database slow and deadlines passed.
    if (isBack) this.advanceProcess(duration);
    const milliseconds = parseDuration(duration.replace(/^-/, ''))!;
    const shift = [isBack ? -milliseconds : milliseconds];
    const text = 'UPDATE clock.shift SET milliseconds = milliseconds + $1';
    await (this.database.citus?.onEachNode(this.database.name, text, shift) ?? this.database.query(text, shift));
    if (!isBack) this.advanceProcess(duration);
  }
}

async function withClient<T>(url: string, run: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}
