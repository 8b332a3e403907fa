import { Inject, Injectable, Logger } from '@nestjs/common';
import type { ClientConfig, Pool, PoolClient, QueryConfig } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SESSION_DATA_SOURCE } from '../session.constants.js';
import { InvalidRequestError, SessionError, SessionStoreUnavailableError } from '../session.errors.js';
import { randomBytes } from '../common/random.js';
import { sessionTables, type SessionTables } from './tables.js';
import { codeOf, isRepeatable, isUnavailable } from '../common/database-errors.js';

/** A statement that is prepared once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** What is used of the driver's client; its own types are not everybody's, so that none is published. */
export interface OwnConnection {
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  end(): Promise<void>;
  on(event: 'error' | 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: { payload?: string }) => void): unknown;
}

export interface QueryContext {
  /** Joins the caller's transaction. */
  readonly manager?: EntityManager;
  /** Milliseconds after which an answer no longer counts; the connection is given up then. */
  readonly timeout?: number;
}

const ATTEMPTS = 3;

/** Runs the statements of `store/` on the data source's pool, or on the connection of the caller's transaction. */
@Injectable()
export class Database {
  /** Tells this process's notifications from those of others. */
  readonly processId = randomBytes(6).toString('hex');
  private readonly logger = new Logger('SessionStore');

  constructor(
    @Inject(SESSION_DATA_SOURCE) readonly dataSource: DataSource,
    private readonly options: ResolvedSessionOptions,
  ) {}

  get tables(): SessionTables {
    const { mode, feed } = this.options.revocation;
    return sessionTables(this.dataSource, mode === 'live' && feed === 'notify' ? this.processId : null);
  }

  /**
   * @throws SessionStoreUnavailableError when the database cannot be reached or cannot write now
   */
  async query<Row extends object>(
    statement: Statement,
    values: unknown[],
    { manager, timeout }: QueryContext = {},
  ): Promise<Row[]> {
    const { name, text } = statement;
    const limit = timeout === undefined ? {} : { query_timeout: timeout };
    const query = { ...(this.prepares ? { name } : {}), text, values, ...limit };
    if (manager?.queryRunner) return this.join<Row>(manager, query, name);
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.pool.query<Row>(query)).rows;
      } catch (error) {
        if (attempt < ATTEMPTS && isRepeatable(error)) continue;
        throw this.translate(error, statement);
      }
    }
  }

  /** Runs statements in a transaction of their own, or within the caller's. Each statement sees what committed before it. */
  async transaction<T>(run: (joined: QueryContext) => Promise<T>, manager?: EntityManager): Promise<T> {
    if (manager?.queryRunner) return run({ manager });
    try {
      return await this.dataSource.transaction('READ COMMITTED', inner => run({ manager: inner }));
    } catch (error) {
      throw error instanceof SessionError ? error : this.translate(error, { name: 'transaction' });
    }
  }

  /**
   * A connection of its own, beside the pool: one that listens must not be missing there, least of all in a pool of one.
   *
   * @param patience milliseconds after which connecting and each statement fail
   */
  openConnection(patience: number): OwnConnection {
    const { Client, options } = this.pool as unknown as {
      Client: new (config: ClientConfig) => OwnConnection;
      options: ClientConfig;
    };
    const limits = { connectionTimeoutMillis: patience, query_timeout: patience };
    return new Client({ ...options, ...limits, password: options.password, keepAlive: true });
  }

  /** Behind a transaction pooler, which the polling feed is for, a prepared statement is on a connection of somebody else. */
  private get prepares(): boolean {
    return this.options.revocation.feed === 'notify';
  }

  private async join<Row extends object>(manager: EntityManager, query: QueryConfig, name: string): Promise<Row[]> {
    if (manager.dataSource !== this.dataSource) {
      throw new InvalidRequestError(
        'The option "manager" belongs to another data source: begin the transaction on the one that SessionModule uses',
      );
    }
    try {
      const client = (await manager.queryRunner!.connect()) as PoolClient;
      return (await client.query<Row>(query)).rows;
    } catch (error) {
      throw this.translate(error, { name });
    }
  }

  private get pool(): Pool {
    // By TypeORM's own pool, because its query methods cannot prepare statements; hence also for CockroachDB's driver.
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }

  private translate(error: unknown, statement: { name?: string }): unknown {
    const code = codeOf(error);
    const reason = error instanceof Error ? error.message : String(error);
    this.logger.error(`${statement.name} failed: ${code} ${reason}`);
    // The driver's own errors (refused, reset, timed out) have a code that is no SQLSTATE, or none at all.
    const isOurs = /^[0-9A-Z]{5}$/.test(code) && !isUnavailable(error);
    return isOurs ? error : new SessionStoreUnavailableError();
  }
}

/** An expression's time in milliseconds since the epoch, whatever type parsers the application has set for dates. */
export function milliseconds(expression: string): string {
  return `floor(extract(epoch FROM ${expression}) * 1000)::float8`;
}

/** A parameter in milliseconds as an interval. */
export function interval(parameter: string): string {
  return `(${parameter}::float8 * interval '1 millisecond')`;
}
