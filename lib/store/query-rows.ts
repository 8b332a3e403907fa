import type { Statement } from '../common/statement.js';
import type { Database, QueryContext } from './database.js';
import type { Limited } from './sql-fragments.js';

/**
 * Sends a statement about several rows, whose values are arrays. Where the tables are distributed it is sent for each row
 * by itself.
 */
export async function queryRows<Values extends Limited, Row extends object>(
  database: Database,
  statement: Statement<Values, Row>,
  values: NoInfer<Values>,
  context: QueryContext = {},
): Promise<Row[]> {
  if (!database.isDistributed) return database.query(statement, values, context);
  const rows: Row[] = [];
  for (let at = 0; at < values.count; at++) {
    const entries = Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? [value[at]] : value]);
    const one = { ...Object.fromEntries(entries), count: 1 } as NoInfer<Values>;
    rows.push(...(await database.query(statement, one, context)));
  }
  return rows;
}
