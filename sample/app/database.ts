import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { DataSource, type DataSourceOptions, MigrationExecutor } from 'typeorm';
import { CreateSampleTables1764547300000 } from './sample-tables.migration.js';

// Any number that is not used elsewhere.
const MIGRATION_LOCK = 7_261_534_201;

export function typeOrmOptions(url: string): TypeOrmModuleOptions {
  return {
    type: 'postgres',
    url,
    // A database that does not answer must hold up neither requests nor the shutdown.
    connectTimeoutMS: 5_000,
    extra: { query_timeout: 10_000 },
    autoLoadEntities: true,
    migrations: [...SESSION_MIGRATIONS, CreateSampleTables1764547300000],
  };
}

/**
 * Opens the data source and runs the migrations. Of several instances that start at once one migrates and the others
 * wait. The lock and the migrations share a connection, so that a pool of one is enough.
 */
export async function openDataSource(options?: DataSourceOptions): Promise<DataSource> {
  const dataSource = await new DataSource(options!).initialize();
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await new MigrationExecutor(dataSource, runner).executePendingMigrations();
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await runner.release();
  }
  return dataSource;
}
