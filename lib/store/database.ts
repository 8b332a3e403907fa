import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Pool, PoolClient, QueryConfig } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { SESSION_DATA_SOURCE } from '../session.constants.js';
import { InvalidRequestError, SessionStoreUnavailableError } from '../session.errors.js';
import { sessionTables, type SessionTables } from './tables.js';

/** A statement that is prepared once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

const ATTEMPTS = 3;

// Classes 08 connection, 53 resources, 57 operator intervention (PostgreSQL manual, appendix A); 25006 is a server that
// only reads, such as a standby after a failover.
const UNAVAILABLE = /^(08|53|57)|^25006$/;
// serialization_failure, deadlock_detected: the transaction did nothing and may be repeated.
const REPEATABLE = /^(40001|40P01)$/;

/** Runs the statements of `store/` on the data source's pool, or on the connection of the caller's transaction. */
@Injectable()
export class Database {
  private readonly logger = new Logger('SessionStore');

  constructor(@Inject(SESSION_DATA_SOURCE) readonly dataSource: DataSource) {}

  get tables(): SessionTables {
    return sessionTables(this.dataSource);
  }

  /**
   * @throws SessionStoreUnavailableError when the database cannot be reached or cannot write now
   */
  async query<Row extends object>(
    statement: Statement,
    values: unknown[],
    manager?: EntityManager,
  ): Promise<Row[]> {
    const query = { ...statement, values };
    if (manager?.queryRunner) return this.join<Row>(manager, query);
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.pool.query<Row>(query)).rows;
      } catch (error) {
        if (attempt < ATTEMPTS && REPEATABLE.test(codeOf(error))) continue;
        throw this.translate(error, statement);
      }
    }
  }

  private async join<Row extends object>(manager: EntityManager, query: QueryConfig): Promise<Row[]> {
    if (manager.dataSource !== this.dataSource) {
      throw new InvalidRequestError(
        'The option "manager" belongs to another data source: begin the transaction on the one that SessionModule uses',
      );
    }
    try {
      const client = (await manager.queryRunner!.connect()) as PoolClient;
      return (await client.query<Row>(query)).rows;
    } catch (error) {
      throw this.translate(error, query);
    }
  }

  private get pool(): Pool {
    // By TypeORM's own pool, because its query methods cannot prepare statements; hence also for CockroachDB's driver.
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }

  private translate(error: unknown, statement: { name?: string }): unknown {
    const code = codeOf(error);
    // The driver's own errors (refused, reset, timed out) have a code that is no SQLSTATE, or none at all.
    if (/^[0-9A-Z]{5}$/.test(code) && !UNAVAILABLE.test(code) && !REPEATABLE.test(code)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    this.logger.error(`${statement.name} failed: ${code} ${reason}`);
    return new SessionStoreUnavailableError();
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** An expression's time in milliseconds since the epoch, whatever type parsers the application has set for dates. */
export function milliseconds(expression: string): string {
  return `floor(extract(epoch FROM ${expression}) * 1000)::float8`;
}

/** A parameter in milliseconds as an interval. */
export function interval(parameter: string): string {
  return `(${parameter}::float8 * interval '1 millisecond')`;
}
