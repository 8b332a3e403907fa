import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { Statement } from '../../lib/common/statement.js';
import { Database } from '../../lib/store/database.js';
import { buildRotationStatements } from '../../lib/store/rotation.statements.js';
import { buildSessionStatements } from '../../lib/store/session.statements.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** They find rows by their user. */
const BY_USER = ['endOfUser', 'list', 'createWithin', 'endStolen'];
/** They find none. */
const INSERTS = ['create', 'createSeveral', 'lockUser'];

/**
 * A statement that is prepared while the table is empty keeps the plan made then until the table is analysed, minutes and
 * many sessions later.
 */
describe('the plans of prepared statements on a table that was never analysed', () => {
  let test: TestApp;
  let client: Client;
  beforeAll(async () => {
    test = await startTestApp();
    client = new Client({ connectionString: test.database.url });
    await client.connect();
    await client.query('SET plan_cache_mode = force_generic_plan');
  });
  afterAll(async () => {
    await client?.end();
    await test?.close();
  });

  async function planOf({ name, text }: Statement): Promise<string> {
    await client.query(`PREPARE ${name} AS ${text}`);
    const count = Math.max(...[...text.matchAll(/\$(\d+)/g)].map(match => Number(match[1])));
    const nulls = Array.from({ length: count }, () => 'NULL').join(', ');
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE ${name}(${nulls})`);
    await client.query(`DEALLOCATE ${name}`);
    return rows.map(row => row['QUERY PLAN']).join('\n');
  }

  it('what is found by its id is found by the primary key, never by reading the index on users', async () => {
    const { tables } = test.app.get(Database);
    const statements = Object.entries({ ...buildSessionStatements(tables), ...buildRotationStatements(tables) });
    const byId = statements.filter(([name]) => ![...BY_USER, ...INSERTS].includes(name));
    expect(byId.map(([name]) => name)).toContain('rotateSeveral');
    for (const [name, statement] of byId) {
      const plan = await planOf(statement);
      expect([name, plan]).toEqual([name, expect.stringContaining('jwt_session_pkey')]);
      expect([name, plan]).toEqual([name, expect.not.stringContaining('jwt_session_active_user_index')]);
    }
  });

  it('what is found by its user is found by the index on users', async () => {
    const { list, endOfUser } = buildSessionStatements(test.app.get(Database).tables);
    for (const statement of [list, endOfUser])
      expect(await planOf(statement)).toContain('jwt_session_active_user_index');
  });
});
