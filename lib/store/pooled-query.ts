import type { Socket } from 'node:net';
import type { Pool, PoolClient, QueryConfig } from 'pg';
import type { SessionTimers } from '../common/clock.js';
import { keepsConnection } from '../common/database-errors.js';
import { SessionStoreUnavailableError } from '../session.errors.js';

/** How long a connection may take to open while the application shuts down. */
const SHUTDOWN_CONNECT_TIMEOUT_MS = 1_000;

/** The part of the driver's client that is used here: the driver's own types must not be published. */
export interface OwnConnection {
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  end(): Promise<void>;
  on(event: 'error' | 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: { payload?: string }) => void): unknown;
}

/** The parts of pool and client that their types leave out. */
interface ConnectingClient {
  /** Whether the server has accepted the connection. */
  readonly _connected: boolean;
  readonly connection: { readonly stream: Socket };
}

interface EndingPool {
  readonly options: { connectionTimeoutMillis?: number };
  readonly _clients?: readonly ConnectingClient[];
}

/** A statement's connection failed: the driver reports it to the statement as well. */
const ignore = () => undefined;

/**
 * Runs one statement on a connection of the pool. `pool.query` has no limit for the wait for a connection. With the
 * driver's callbacks it takes one promise; with the driver's promises it would take eight.
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
  const send = (client: PoolClient, answer: Answer<Row[]>) =>
    client.query<Row>(query, (error: Error | undefined, result) => answer(error, result?.rows));
  return useClient(pool, send, timeout, timers);
}

/**
 * Runs statements in a transaction of their own, in one round trip: all are sent before the first is answered, and the
 * locks that they take are held for as long as the database works. A driver before pg 8.23 waits for each answer.
 *
 * @returns the rows of each statement
 */
export function transactPool(
  pool: Pool,
  statements: readonly QueryConfig[],
  timeout: number,
  timers: SessionTimers,
): Promise<object[][]> {
  // Each statement sees what committed before it, whatever the database's default is.
  const queries = ['BEGIN ISOLATION LEVEL READ COMMITTED', ...statements, 'COMMIT'];
  const send = (client: PoolClient, answer: Answer<object[][]>) => {
    const pipelining = client as { pipeline: boolean };
    const rows: object[][] = [];
    let failure: Error | undefined;
    let waiting = queries.length;
    const read = (error: Error | undefined, result?: { readonly rows: object[] }) => {
      // After a failure the others fail, too, and COMMIT rolls back.
      failure ??= error;
      rows.push(result?.rows ?? []);
      if (--waiting > 0) return;
      pipelining.pipeline = false;
      answer(failure, rows.slice(1, -1));
    };
    pipelining.pipeline = true;
    for (const query of queries) client.query(query as QueryConfig, read);
  };
  return useClient(pool, send, timeout, timers);
}

type Answer<T> = (error: Error | undefined, rows: T) => void;

function useClient<T>(
  pool: Pool,
  send: (client: PoolClient, answer: Answer<T>) => void,
  timeout: number,
  timers: SessionTimers,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let client: PoolClient | undefined;
    let isLate = false;
    const end = timers.giveUpAfter(timeout, () => {
      isLate = true;
      client?.release(true);
      reject(new SessionStoreUnavailableError());
    });
    const fail = (error: Error) => {
      end();
      reject(error);
    };
    pool.connect((failure, connected) => {
      if (isLate) return connected?.release();
      if (!connected) return fail(failure!);
      client = connected;
      connected.on('error', ignore);
      send(connected, (error, rows) => {
        connected.off('error', ignore);
        if (isLate) return;
        // A connection may be the cause of any other failure, as after a migration that changed what a statement
        // returns.
        connected.release(error && !keepsConnection(error));
        if (error) return fail(error);
        end();
        resolve(rows);
      });
    });
  });
}

/**
 * A pool that ends waits for connections that are being opened, which may take for ever: the application shuts down, and
 * neither those nor later ones get more time.
 */
export async function dropConnecting(pool: Pool, timers: SessionTimers): Promise<void> {
  const { options, _clients = [] } = pool as unknown as EndingPool;
  options.connectionTimeoutMillis = Math.min(options.connectionTimeoutMillis || Infinity, SHUTDOWN_CONNECT_TIMEOUT_MS);
  const connecting = _clients.filter(({ _connected }) => _connected === false);
  if (connecting.length === 0) return;
  await timers.pause(SHUTDOWN_CONNECT_TIMEOUT_MS);
  for (const client of connecting) if (client._connected === false) client.connection.stream.destroy();
}
