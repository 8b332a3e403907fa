import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { SessionTimers } from './clock.js';

/** The limit of statements and transactions that have no other one, in milliseconds. */
export const STATEMENT_TIMEOUT_MS = 10_000;

/** The part of the driver's connection that ends it. */
interface Connection {
  end(): Promise<void>;
}

/** How long a use of the database may take. Neither the pool nor the driver has a limit at its defaults. */
export interface TimeLimit {
  readonly timers: SessionTimers;
  readonly milliseconds: number;
  /** Makes the error for what takes longer. */
  readonly late: () => Error;
}

/** Uses a connection of the pool. The wait for it counts; a connection on which a statement is late is destroyed. */
export function useConnection<T>(
  dataSource: DataSource,
  use: (runner: QueryRunner) => Promise<T>,
  { timers, milliseconds, late }: TimeLimit,
): Promise<T> {
  const runner = dataSource.createQueryRunner();
  let connection: unknown;
  let isLate = false;
  const run = async () => {
    try {
      connection = await runner.connect();
      if (isLate) throw late();
      return await use(runner);
    } finally {
      // A runner that is released before it has its connection never gives that back.
      await runner.release();
    }
  };
  return timers.within(milliseconds, run(), () => {
    isLate = true;
    if (connection) abandon(connection);
    return late();
  });
}

/** A transaction on a connection of the pool. */
export function runTransaction<T>(
  dataSource: DataSource,
  run: (manager: EntityManager) => Promise<T>,
  limit: TimeLimit,
): Promise<T> {
  return useConnection(
    dataSource,
    async runner => {
      await runner.startTransaction('READ COMMITTED');
      try {
        const result = await run(runner.manager);
        await runner.commitTransaction();
        return result;
      } catch (error) {
        // It fails where the connection is gone, and the transaction with it.
        await runner.rollbackTransaction().catch(() => undefined);
        throw error;
      }
    },
    limit,
  );
}

/** Runs a statement of the caller's transaction, whose connection is destroyed if the answer is late. */
export async function joinTransaction<T>(
  runner: QueryRunner,
  use: (connection: unknown) => Promise<T>,
  { timers, milliseconds, late }: TimeLimit,
): Promise<T> {
  const connection: unknown = await runner.connect();
  return timers.within(milliseconds, use(connection), () => {
    abandon(connection);
    return late();
  });
}

/** The pool drops the connection when it is released. The transaction on it ends. */
function abandon(connection: unknown): void {
  // While a statement runs, `end` destroys the socket.
  void (connection as Connection).end();
}
