import { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import type { TestDatabase } from './database.js';

/** A TypeORM data source as a migration script has it, without Nest. */
export function dataSourceOn(database: TestDatabase, options: object = {}): DataSource {
  return new DataSource({
    type: 'postgres',
    url: database.url,
    entities: [...SESSION_ENTITIES],
    migrations: [...SESSION_MIGRATIONS],
    logger: 'debug',
    ...options,
  });
}

/** What `migration:generate` would write: nothing, where tables and entities agree. */
export async function driftOf(dataSource: DataSource): Promise<string[]> {
  const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
  return upQueries.map(({ query }) => query);
}

/** Waits until there are no connections: a server process runs on for a moment after its client has left. */
export async function allConnectionsEnded(database: TestDatabase): Promise<void> {
  const others = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;
  const left = async () => (await database.query(others)).length === 0;
  while (!(await left()));
}
