import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';

/** The lines of docs/operating.md that distribute the tables. */
export const DISTRIBUTE = /```sql\n(SELECT create_distributed_table.*?)```/s.exec(
  readFileSync('docs/operating.md', 'utf8'),
)![1]!;

/**
 * A Citus cluster for the tests. `CITUS_URL` has the URLs of its nodes, the coordinator's first, separated by commas, with
 * a role that may create databases.
 */
export class Citus {
  private readonly urls: readonly string[];
  private readonly template = `jwt_session_template_${hashOfMigrations()}`;

  constructor(urls: string) {
    this.urls = urls.split(',');
  }

  static get current(): Citus | undefined {
    const { CITUS_URL } = process.env;
    return CITUS_URL ? new Citus(CITUS_URL) : undefined;
  }

  urlsOf(name: string): string[] {
    return this.urls.map(url => {
      const of = new URL(url);
      of.pathname = `/${name}`;
      return of.href;
    });
  }

  /** A database whose tables are distributed, with the clock functions of `SharedClock` on each node. */
  async createDatabase(name: string): Promise<void> {
    await this.requireTemplate();
    await this.onEachServer(`CREATE DATABASE ${name} TEMPLATE ${this.template}`);
    await this.onEachServer(`ALTER DATABASE ${name} SET search_path = public, clock, pg_catalog`);
  }

  async dropDatabase(name: string): Promise<void> {
    await this.onEachServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }

  /** Runs the statement in the database on each node. */
  async onEachNode(name: string, text: string, values: unknown[] = []): Promise<void> {
    for (const url of this.urlsOf(name)) await run(url, text, values);
  }

  /** A template must have no connections, and Citus has one to each database that was used. */
  private async requireTemplate(): Promise<void> {
    const { template } = this;
    const found = await run(this.urls[0]!, 'SELECT 1 FROM pg_database WHERE datname = $1 AND NOT datallowconn', [
      template,
    ]);
    if (found.length > 0) return;
    await this.dropDatabase(template);
    await this.onEachServer(`CREATE DATABASE ${template}`);
    await this.onEachNode(template, `CREATE EXTENSION citus; ${CLOCK}`);
    const [coordinator, ...workers] = this.urlsOf(template).map(url => new URL(url));
    const add = ({ hostname, port }: URL) => `SELECT citus_add_node('${hostname}', ${port})`;
    await run(
      coordinator!.href,
      `SELECT citus_set_coordinator_host('${coordinator!.hostname}', ${coordinator!.port});
      ${workers.map(add).join(';')};
      SELECT citus_set_node_property('${coordinator!.hostname}', ${coordinator!.port}, 'shouldhaveshards', false)`,
    );
    const dataSource = new DataSource({
      type: 'postgres',
      url: coordinator!.href,
      entities: [...SESSION_ENTITIES],
      migrations: [...SESSION_MIGRATIONS],
    });
    await dataSource.initialize();
    await dataSource.runMigrations();
    await dataSource.destroy();
    await run(coordinator!.href, DISTRIBUTE);
    await this.onEachServer(`ALTER DATABASE ${template} ALLOW_CONNECTIONS false`);
    await this.onEachServer(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${template}'`,
    );
  }

  private async onEachServer(text: string): Promise<void> {
    for (const url of this.urls) await run(url, text);
  }
}

/** PL/pgSQL, because the query of an SQL function would become part of distributed queries. */
const CLOCK = `
  SET citus.enable_ddl_propagation = off;
  CREATE SCHEMA clock;
  CREATE TABLE clock.shift (milliseconds float8 NOT NULL);
  INSERT INTO clock.shift VALUES (0);
  ${[
    ['now', 'STABLE'],
    ['clock_timestamp', 'VOLATILE'],
  ]
    .map(
      ([name, volatility]) => `CREATE FUNCTION clock.${name}() RETURNS timestamptz ${volatility} LANGUAGE plpgsql AS
    'BEGIN RETURN pg_catalog.${name}() + (SELECT milliseconds FROM clock.shift) * interval ''1 millisecond''; END'`,
    )
    .join(';')}`;

function hashOfMigrations(): string {
  const hash = createHash('sha256').update(DISTRIBUTE);
  const folder = 'lib/store/migrations';
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(`${folder}/${file}`));
  return hash.digest('hex').slice(0, 12);
}

async function run(url: string, text: string, values: unknown[] = []): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}
