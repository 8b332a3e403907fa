import type { QueryRunner } from 'typeorm';
import { dataSourceOf } from '../../common/data-source-of.js';
import { SESSION_ENTITIES } from '../entities/index.js';
import { type SessionTables, sessionTables } from '../tables.js';

/** @throws Error where the data source lacks entities, which name the tables */
export function tablesOf(runner: QueryRunner): SessionTables {
  const dataSource = dataSourceOf(runner);
  const missing = SESSION_ENTITIES.filter(entity => !dataSource.hasMetadata(entity));
  if (missing.length > 0) {
    throw new Error('SESSION_MIGRATIONS need the entities: add ...SESSION_ENTITIES to the data source\'s "entities"');
  }
  return sessionTables(dataSource);
}
