import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { Statement } from '../../lib/common/statement.js';
import { Database } from '../../lib/store/database.js';
import { buildRevocationStatements } from '../../lib/store/revocation.statements.js';
import { buildRotationStatements } from '../../lib/store/rotation.statements.js';
import { buildImpersonationStatements } from '../../lib/store/impersonation.statements.js';
import { buildEndStatements } from '../../lib/store/end.statements.js';
import { buildSessionStatements } from '../../lib/store/session.statements.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Statements that find rows by their user. */
const BY_USER = ['endOfUser', 'endOfUsers', 'list', 'createWithin', 'createWithinOnDevice', 'endStolen'];
/** Statements that find no session, or those of a time. */
const OTHERS = ['create', 'createSeveral', 'lockUser', 'limitIdle', 'readAuth', 'invalidate', 'restoreUsers', 'poll'];

/** With both bindings: conditions that the plans must not depend on. */
const SETTINGS = {
  leeway: 30_000,
  idleLifetime: 60_000,
  isIpBound: true,
  userAgent: { isStored: true, isBound: true },
  reportsForks: false,
};

/**
 * A statement that is prepared while the table is empty keeps the plan made then until the table is analysed, minutes
 * and many sessions later.
 */
describe('the plans of prepared statements on a table that was never analysed', () => {
  let test: TestApp;
  let client: Client;
  let statements: [string, Statement][];
  beforeAll(async () => {
    test = await startTestApp();
    await test.database.query('ALTER TABLE jwt_session SET (autovacuum_enabled = off)');
    client = new Client({ connectionString: test.database.url });
    await client.connect();
    const { tables } = test.app.get(Database);
    statements = Object.entries({
      ...buildSessionStatements(tables, { ...SETTINGS, absoluteLifetime: null }),
      ...buildEndStatements(tables),
      ...buildRotationStatements(tables, SETTINGS),
      ...buildImpersonationStatements(tables, { ...SETTINGS, absoluteLifetime: null }),
      ...buildRevocationStatements(tables),
    });
  });
  afterAll(async () => {
    await client?.end();
    await test?.close();
  });

  async function planOf({ name, text, parameters }: Statement): Promise<string> {
    await client.query(`PREPARE ${name} AS ${text}`);
    const values = parameters.map(() => 'NULL').join(', ');
    const plan = `EXPLAIN EXECUTE ${name}${parameters.length > 0 ? `(${values})` : ''}`;
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(plan);
    await client.query(`DEALLOCATE ${name}`);
    return rows.map(row => row['QUERY PLAN']).join('\n');
  }

  describe.each([
    ['while it is empty', 0],
    ['with 20,000 rows', 20_000],
  ])('%s', (_, count) => {
    beforeAll(async () => {
      await client.query('SET plan_cache_mode = force_generic_plan');
      await client.query(
        `INSERT INTO jwt_session (id, bucket, user_id, generation, token_hash, leeway_until, refresh_auth_uuid, claims, created_at,
           last_seen_at, expires_at)
         SELECT gen_random_uuid(), n % 4096, 'user ' || n, 0, sha256('a'), now(), gen_random_uuid(), '{}', now(), now(),
           now() + interval '1 day'
         FROM generate_series(1, $1::integer) AS n`,
        [count],
      );
    });

    it('no statement reads the whole table', async () => {
      expect(statements.length).toBeGreaterThan(25);
      for (const [name, statement] of statements) {
        expect([name, await planOf(statement)]).toEqual([name, expect.not.stringMatching(/Seq Scan on jwt_session /)]);
      }
    });

    it('what is found by its id is found by the primary key, never by reading the index on users', async () => {
      const byId = statements.filter(([name]) => ![...BY_USER, ...OTHERS].includes(name));
      expect(byId.map(([name]) => name)).toContain('rotateSeveral');
      for (const [name, statement] of byId) {
        const plan = await planOf(statement);
        expect([name, plan]).toEqual([name, expect.stringContaining('jwt_session_pkey')]);
        expect([name, plan]).toEqual([name, expect.not.stringContaining('jwt_session_active_user_index')]);
      }
    });

    it('F35: what ends sessions finds impersonations by the index on actors', async () => {
      const ending = statements.filter(([, { text }]) => text.includes('begun AS'));
      expect(ending.length).toBeGreaterThan(7);
      for (const [name, statement] of ending) {
        const plan = await planOf(statement);
        expect([name, plan]).toEqual([name, expect.stringContaining('jwt_session_actor_index')]);
      }
    });

    it('the sessions of several users that end are not compared with each other', async () => {
      const [, endOfUsers] = statements.find(([name]) => name === 'endOfUsers')!;
      expect(await planOf(endOfUsers)).not.toMatch(/Join Filter: .*ended/);
    });

    it('what is found by its user is found by the index on users', async () => {
      for (const [name, statement] of statements.filter(([each]) => BY_USER.includes(each) && each !== 'endStolen'))
        expect([name, await planOf(statement)]).toEqual([
          name,
          expect.stringContaining('jwt_session_active_user_index'),
        ]);
    });
  });
});
