import type { Pool, PoolClient, QueryConfig } from 'pg';
import type { SessionTimers } from '../common/clock.js';
import { isRepeatable } from '../common/database-errors.js';
import { SessionStoreUnavailableError } from '../session.errors.js';

/** A statement's connection failed: the driver reports it to the statement as well. */
const ignore = () => undefined;

/**
 * Runs one statement on a connection of the pool. `pool.query` has no limit for the wait for a connection.
 *
 * @param timeout milliseconds for the connection and the answer together. A statement whose time has passed before
 *   there is a connection is never sent. A connection whose answer is late is destroyed: the next statement must not
 *   meet the answer.
 * @throws SessionStoreUnavailableError when the time is over, and the errors of driver and server
 */
export function queryPool<Row extends object>(
  pool: Pool,
  query: QueryConfig,
  timeout: number,
  timers: SessionTimers,
): Promise<Row[]> {
  let client: PoolClient | undefined;
  let isLate = false;
  const run = async (): Promise<Row[]> => {
    client = await pool.connect();
    if (isLate) {
      client.release();
      return [];
    }
    client.on('error', ignore);
    try {
      const { rows } = await client.query<Row>(query);
      if (!isLate) client.release();
      return rows;
    } catch (error) {
      // A connection may be the cause of any other failure, as after a migration that changed what a statement returns.
      if (!isLate) client.release(!isRepeatable(error));
      throw error;
    } finally {
      client.off('error', ignore);
    }
  };
  return timers.within(timeout, run(), () => {
    isLate = true;
    client?.release(true);
    return new SessionStoreUnavailableError();
  });
}
