import { Client } from 'pg';
import type { TestDatabase } from './database.js';

/** A transaction on a connection of its own. Other statements that need a row which it has changed wait for its end. */
export class OpenTransaction {
  private constructor(private readonly client: Client) {}

  static async begin(database: TestDatabase): Promise<OpenTransaction> {
    const client = new Client({ connectionString: database.url });
    // A connection that a failed test left open ends with its database.
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN');
    return new OpenTransaction(client);
  }

  async query(text: string, values: unknown[] = []): Promise<void> {
    await this.client.query(text, values);
  }

  commit(): Promise<void> {
    return this.end('COMMIT');
  }

  rollback(): Promise<void> {
    return this.end('ROLLBACK');
  }

  private async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    await this.client.query(how);
    await this.client.end();
  }
}

/** Returns once `count` statements are waiting for a lock, so that the next step of a test certainly meets them. */
export async function untilWaiting(database: TestDatabase, count: number): Promise<void> {
  await until(database, `count(*) FILTER (WHERE wait_event_type = 'Lock') >= ${count}`);
}

/**
 * How many deadlocks the server broke up, also those that a retry has hidden. All connections must be closed before.
 */
export async function deadlocksOf(database: TestDatabase): Promise<number> {
  // A connection reports its statistics before it disappears from the list.
  await until(database, 'count(*) = 0');
  const [row] = await database.query<{ deadlocks: string }>(
    'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(row!.deadlocks);
}

/** Reached only if the condition never becomes true. */
const MAX_WAIT_MS = 30_000;

async function until(database: TestDatabase, condition: string): Promise<void> {
  const end = Date.now() + MAX_WAIT_MS;
  while (Date.now() < end) {
    const [row] = await database.query<{ met: boolean }>(
      `SELECT ${condition} AS met FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
    );
    if (row!.met) return;
  }
  throw new Error(`the database never came to: ${condition}`);
}

/**
 * Holds up every statement that asks for the time, after its snapshot was taken and before it locks or changes a row.
 * For databases with a `SharedClock`, whose functions it replaces. Returns how to let them go on.
 */
export async function holdStatements(database: TestDatabase): Promise<() => Promise<void>> {
  // Volatile, because the planner asks a stable function for an estimate, before there is a snapshot.
  await database.query(`
    CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz VOLATILE LANGUAGE plpgsql AS '
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(1);
        RETURN pg_catalog.now() + (SELECT milliseconds FROM clock.shift) * interval ''1 millisecond'';
      END'`);
  const holder = await OpenTransaction.begin(database);
  await holder.query('SELECT pg_advisory_xact_lock(1)');
  return () => holder.commit();
}
