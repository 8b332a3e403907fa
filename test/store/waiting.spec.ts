import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { statement } from '../../lib/common/statement.js';
import { Database } from '../../lib/store/database.js';
import { OpenTransaction, untilWaiting } from '../support/races.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const PID = statement<object, { pid: number }>('jwt_session_test_pid', 'SELECT pg_backend_pid() AS pid');
const HOLD = statement('jwt_session_test_hold', 'SELECT pg_advisory_xact_lock(1)');
const SHORT = { timeout: 50 };
const UNAVAILABLE = { errorCode: 'session_store_unavailable' };

// One connection and no `connectionTimeoutMillis`, as in applications that set nothing.
describe('a statement waits for a connection and its answer no longer than its time', () => {
  let test: TestApp;
  let database: Database;
  let dataSource: DataSource;
  let pool: Pool;
  beforeAll(async () => {
    test = await startTestApp({ typeorm: { poolSize: 1 } });
    database = test.app.get(Database);
    dataSource = test.app.get(DataSource);
    pool = (dataSource.driver as unknown as { master: Pool }).master;
  });
  afterAll(() => test?.close());

  it('S14: without a connection it is given up, and never sent afterwards', async () => {
    const held = await pool.connect();
    const insert = statement(
      'jwt_session_test_insert',
      `INSERT INTO jwt_session_key SELECT 'late', 'test', 'none', 0, '{}', '', now(), now(), now(), now()`,
    );
    await expect(database.query(insert, {}, SHORT)).rejects.toMatchObject(UNAVAILABLE);
    held.release();
    await database.query(PID, {});
    expect(await test.database.query("SELECT FROM jwt_session_key WHERE kid = 'late'")).toEqual([]);
  });

  it('S14: without an answer its connection is destroyed, and the next statement has another', async () => {
    const [before] = await database.query(PID, {});
    const other = await OpenTransaction.begin(test.database);
    await other.query('SELECT pg_advisory_xact_lock(1)');
    await expect(database.query(HOLD, {}, SHORT)).rejects.toMatchObject(UNAVAILABLE);
    const [after] = await database.query(PID, {});
    expect(after).not.toEqual(before);
    await other.commit();
  });

  it("S14: in the caller's transaction the connection is destroyed, too, so that not even ROLLBACK waits", async () => {
    const other = await OpenTransaction.begin(test.database);
    await other.query('SELECT pg_advisory_xact_lock(1)');
    const given = dataSource.transaction(manager => database.query(HOLD, {}, { manager, ...SHORT }));
    await expect(given).rejects.toMatchObject(UNAVAILABLE);
    await other.commit();
    expect(await database.query(PID, {})).toHaveLength(1);
  });
});

describe("where the database's default isolation is repeatable read", () => {
  it('R04: fifty parallel refreshes of one token are all answered, with one successor', async () => {
    const options = '-c default_transaction_isolation=repeatable\\ read';
    const test = await startTestApp({ typeorm: { poolSize: 20, extra: { options } } });
    try {
      const { refreshToken } = await test.sessions.logIn('ada');
      const holder = await OpenTransaction.begin(test.database);
      await holder.query('SELECT FROM jwt_session FOR UPDATE');
      const refreshes = Array.from({ length: 50 }, () => test.sessions.refresh({ refreshToken: refreshToken! }));
      await untilWaiting(test.database, 20);
      await holder.commit();
      const answers = await Promise.all(refreshes);
      expect(new Set(answers.map(answer => answer.refreshToken)).size).toBe(1);
    } finally {
      await test.close();
    }
  });
});

describe('a data source whose waits for a connection are', () => {
  it.each([
    ['unlimited, is warned of once, with what to write', {}, 1],
    ['limited by connectTimeoutMS, is not warned of', { connectTimeoutMS: 5_000 }, 0],
    ['limited in its pool, is not warned of', { extra: { connectionTimeoutMillis: 5_000 } }, 0],
  ])('%s', async (_, typeorm, warnings) => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const test = await startTestApp({ typeorm });
    const lines = warn.mock.calls.map(([line]) => String(line));
    warn.mockRestore();
    await test.close();
    expect(lines.filter(line => line.includes('Write connectTimeoutMS: 5_000'))).toHaveLength(warnings);
  });
});
