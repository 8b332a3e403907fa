import type { DataSource, EntityMetadata, EntityTarget } from 'typeorm';
import { type Statement, statement } from './statement.js';

/** A table as the module's statements expect it. */
export interface ExpectedTable {
  /** The table's name as SQL writes it. */
  readonly path: string;
  readonly metadata: EntityMetadata;
  /** The class of ours that declares the columns; an application's class may extend it with its own. */
  readonly declaredBy: EntityMetadata['target'];
}

interface Gap {
  readonly path: string;
  readonly found: boolean;
  readonly missing: readonly string[];
}

interface ExpectedColumns {
  readonly paths: readonly string[];
  readonly names: readonly string[];
}

/** Additional columns are allowed: during a rolling update the tables are those of the newer version. */
const FIND_GAPS = statement<ExpectedColumns, Gap>(
  'jwt_session_schema_check',
  `SELECT path, to_regclass(path) IS NOT NULL AS found, json_agg(expected.name ORDER BY expected.name) AS missing
    FROM unnest(:paths::text[], :names::text[]) AS expected (path, name)
    WHERE NOT EXISTS (
      SELECT 1 FROM pg_attribute a
      WHERE a.attrelid = to_regclass(path) AND a.attname = expected.name AND NOT a.attisdropped
    )
    GROUP BY path ORDER BY path`,
);

/**
 * Describes what the database lacks of the tables: tables that were never made, and columns of a version to which the
 * database was not yet migrated.
 */
export async function schemaGaps(
  tables: readonly ExpectedTable[],
  query: (statement: Statement<ExpectedColumns, Gap>, values: ExpectedColumns) => Promise<Gap[]>,
): Promise<string[]> {
  const expected = tables.flatMap(table => columnsOf(table).map(column => ({ path: table.path, column })));
  const gaps = await query(FIND_GAPS, {
    paths: expected.map(({ path }) => path),
    names: expected.map(({ column }) => column),
  });
  return gaps.map(({ path, found, missing }) =>
    found ? `column ${missing.join(', ')} of table ${path}` : `table ${path}`,
  );
}

/** The names as the statements write them: a naming strategy does not change those. */
function columnsOf({ metadata, declaredBy }: ExpectedTable): string[] {
  return metadata.columns
    .filter(({ target }) => target === declaredBy)
    .map(({ givenDatabaseName, propertyName }) => givenDatabaseName ?? propertyName);
}

/** What a module needs of the database, and the names that its messages tell the developer to add. */
export interface RequiredSchema {
  readonly module: 'SessionModule' | 'AccountModule';
  readonly entitiesName: string;
  readonly migrationsName: string;
  readonly entities: readonly EntityTarget<object>[];
  /** What the tables lack, as `schemaGaps` finds it. */
  gaps(): Promise<string[]>;
}

/** @throws Error that says what to add to the data source, for entities, tables and columns that are missing */
export async function requireSchema(dataSource: DataSource, required: RequiredSchema): Promise<void> {
  const { module, entitiesName, migrationsName, entities } = required;
  if (entities.some(entity => !dataSource.hasMetadata(entity))) {
    throw new Error(
      `${module}: the data source does not know the module's entities: add ...${entitiesName} to its "entities", or set autoLoadEntities: true`,
    );
  }
  const gaps = await required.gaps();
  if (gaps.length > 0) {
    throw new Error(
      `${module}: the database lacks ${gaps.join(', ')}: add ...${migrationsName} to the data source's "migrations" and run them, for example with migrationsRun: true`,
    );
  }
}
