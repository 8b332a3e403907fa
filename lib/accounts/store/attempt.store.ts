import { Injectable } from '@nestjs/common';
import { AccountDatabase } from './account.database.js';
import { buildAttemptStatements } from './attempt.statements.js';

/** The answer of a throttler storage; seconds. */
export interface AttemptRecord {
  totalHits: number;
  timeToExpire: number;
  isBlocked: boolean;
  timeToBlockExpire: number;
}

const IN_A_ROW_TTL_MS = 365 * 86_400_000;

/**
 * Counts attempts in the database, for all processes together. It is a `ThrottlerStorage`, so that an application that
 * uses @nestjs/throttler may count its own routes here as well:
 * `ThrottlerModule.forRootAsync({ inject: [AttemptStore], useFactory: storage => ({ storage, throttlers }) })`
 */
@Injectable()
export class AttemptStore {
  /** @internal Nest makes it. */
  constructor(private readonly database: AccountDatabase) {}

  /**
   * Counts one attempt, in one atomic statement.
   *
   * @param key no secret, and no personal data: it is kept as it is
   * @param ttl milliseconds after the first attempt after which counting starts again
   * @param limit how many attempts there may be until then; one more blocks
   * @param blockDuration milliseconds
   */
  async increment(
    key: string,
    ttl: number,
    limit: number,
    blockDuration: number,
    throttlerName: string,
  ): Promise<AttemptRecord> {
    const values = { key: `${throttlerName}:${key}`, ttl, limit, blockDuration };
    const [record] = await this.database.query(this.sql.increment, values);
    return record!;
  }

  /**
   * Counts failures in a row. The count has no window; it is forgotten a year after the latest failure.
   *
   * @returns how many there were, this one included
   */
  async incrementInARow(key: string): Promise<number> {
    const [row] = await this.database.query(this.sql.incrementInARow, { key: rowKey(key), ttl: IN_A_ROW_TTL_MS });
    return row!.hits;
  }

  async endRow(key: string): Promise<void> {
    await this.database.query(this.sql.remove, { key: rowKey(key) });
  }

  /** Takes one attempt back: it has succeeded. */
  async release(key: string, throttlerName: string): Promise<void> {
    await this.database.query(this.sql.release, { key: `${throttlerName}:${key}` });
  }

  /** Sets the count to zero. */
  async reset(key: string, throttlerName: string): Promise<void> {
    await this.database.query(this.sql.remove, { key: `${throttlerName}:${key}` });
  }

  async removeExpired(): Promise<void> {
    await this.database.query(this.sql.removeExpired, {});
  }

  private get sql() {
    return this.database.statements(buildAttemptStatements);
  }
}

function rowKey(key: string): string {
  return `in-a-row:${key}`;
}
