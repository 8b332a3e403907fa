import type { TestDatabase } from '../support/database.js';

/** What runs a statement and answers with the rows: a test's database, or a transaction on it. */
export type Queries = Pick<TestDatabase, 'query'>;

/** One fact of a schema. */
interface Fact {
  readonly table: string;
  readonly name: string;
  readonly definition: string | null;
}

interface ColumnFact extends Fact {
  /** Whether an INSERT may leave it out. */
  readonly optional: boolean;
}

/** Whether rows may be refused for it. */
interface RuleFact extends Fact {
  readonly strict: boolean;
}

/** Our tables in one schema of a database, fact by fact. */
export interface Schema {
  readonly columns: readonly ColumnFact[];
  readonly indexes: readonly RuleFact[];
  readonly constraints: readonly RuleFact[];
  readonly storage: readonly Fact[];
}

const OURS = `WITH ours AS (
  SELECT oid AS id, relname AS "table", reloptions FROM pg_class
  WHERE relkind = 'r' AND relnamespace = $1::regnamespace AND relname LIKE '%jwt\\_%'
)`;

export async function schemaOf(database: Queries, schema = 'public'): Promise<Schema> {
  const read = <Row extends object>(statement: string) => database.query<Row>(`${OURS} ${statement}`, [schema]);
  // Definitions name the schema, in which two databases may differ.
  const definition = (text: string) => `replace(${text}, '${schema}.', '') AS definition`;
  return {
    columns: await read(`
      SELECT "table", attname AS name, concat_ws(' ', format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(adbin, adrelid)) AS definition,
        NOT attnotnull OR adbin IS NOT NULL AS optional
      FROM ours JOIN pg_attribute ON attrelid = id AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = id AND adnum = attnum
      ORDER BY "table", name`),
    indexes: await read(`
      SELECT "table", relname AS name, ${definition('pg_get_indexdef(indexrelid)')}, indisunique AS strict
      FROM ours JOIN pg_index ON indrelid = id JOIN pg_class ON oid = indexrelid ORDER BY name`),
    // Since PostgreSQL 18 NOT NULL is a constraint as well; the columns have it already.
    constraints: await read(`
      SELECT "table", conname AS name, ${definition('pg_get_constraintdef(oid)')}, true AS strict
      FROM ours JOIN pg_constraint ON conrelid = id WHERE contype <> 'n' ORDER BY name`),
    storage: await read(`SELECT "table", 'storage' AS name, reloptions::text AS definition FROM ours ORDER BY "table"`),
  };
}

/**
 * What of a change of the schema would break the code before it: nothing, where the change follows the rule in
 * `lib/store/migrations/index.ts`.
 */
export function breaksIn(before: Schema, after: Schema): string[] {
  const tables = new Set(before.storage.map(({ table }) => table));
  const lost = (['storage', 'columns', 'indexes', 'constraints'] as const).flatMap(kind =>
    missingFrom(after[kind], before[kind]).map(fact => `${fact} is changed or gone`),
  );
  const added = <F extends Fact>(kind: readonly F[], former: readonly F[]) =>
    kind.filter(
      ({ table, name }) => tables.has(table) && !former.some(fact => fact.table === table && fact.name === name),
    );
  const rules = [...added(after.indexes, before.indexes), ...added(after.constraints, before.constraints)];
  return [
    ...lost,
    ...added(after.columns, before.columns)
      .filter(({ optional }) => !optional)
      .map(fact => `${nameOf(fact)} must be written`),
    ...rules.filter(({ strict }) => strict).map(fact => `${nameOf(fact)} is stricter`),
  ];
}

function missingFrom(facts: readonly Fact[], wanted: readonly Fact[]): string[] {
  const found = new Set(facts.map(fact => `${nameOf(fact)} ${fact.definition}`));
  return wanted.filter(fact => !found.has(`${nameOf(fact)} ${fact.definition}`)).map(nameOf);
}

function nameOf({ table, name }: Fact): string {
  return `${table}.${name}`;
}
