import { Injectable } from '@nestjs/common';
import { interval } from '../../common/sql.js';
import { AccountDatabase } from './account.database.js';

/** The answer of a throttler storage; seconds. */
export interface AttemptRecord {
  totalHits: number;
  timeToExpire: number;
  isBlocked: boolean;
  timeToBlockExpire: number;
}

const IN_A_ROW_TTL_MS = 365 * 86_400_000;

// Whether the time of a row is over, and whether it refuses.
const OVER = '(COALESCE(attempt.blocked_until, attempt.expires_at) <= now())';
const BLOCKED = '(attempt.blocked_until > now())';

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
   * @param ttl milliseconds after the first attempt when counting begins anew
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
    const [record] = await this.database.query<AttemptRecord>(
      `INSERT INTO ${this.table} AS attempt (key, hits, expires_at, blocked_until)
       VALUES ($1, 1, now() + ${interval('$2')}, CASE WHEN 1 > $3::integer THEN now() + ${interval('$4')} END)
       ON CONFLICT (key) DO UPDATE SET
         hits = CASE WHEN ${OVER} THEN 1 WHEN ${BLOCKED} THEN attempt.hits ELSE attempt.hits + 1 END,
         expires_at = CASE WHEN ${OVER} THEN excluded.expires_at ELSE attempt.expires_at END,
         blocked_until = CASE
           WHEN ${OVER} THEN excluded.blocked_until
           WHEN ${BLOCKED} THEN attempt.blocked_until
           WHEN attempt.hits + 1 > $3::integer THEN now() + ${interval('$4')}
         END
       RETURNING hits AS "totalHits",
         ${seconds('expires_at')} AS "timeToExpire",
         blocked_until IS NOT NULL AS "isBlocked",
         COALESCE(${seconds('blocked_until')}, 0) AS "timeToBlockExpire"`,
      [`${throttlerName}:${key}`, ttl, limit, blockDuration],
    );
    return record!;
  }

  /**
   * Counts failures in a row. The count has no window; it is forgotten a year after the latest failure.
   *
   * @returns how many there were, this one included
   */
  async incrementInARow(key: string): Promise<number> {
    const [row] = await this.database.query<{ hits: number }>(
      `INSERT INTO ${this.table} AS attempt (key, hits, expires_at) VALUES ($1, 1, now() + ${interval('$2')})
       ON CONFLICT (key) DO UPDATE SET
         hits = CASE WHEN ${OVER} THEN 1 ELSE attempt.hits + 1 END,
         expires_at = excluded.expires_at
       RETURNING hits`,
      [rowKey(key), IN_A_ROW_TTL_MS],
    );
    return row!.hits;
  }

  async endRow(key: string): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE key = $1`, [rowKey(key)]);
  }

  /** Takes one attempt back: it has succeeded. */
  async release(key: string, throttlerName: string): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET hits = hits - 1 WHERE key = $1 AND hits > 0 AND blocked_until IS NULL`,
      [`${throttlerName}:${key}`],
    );
  }

  /** Sets the count to zero. */
  async reset(key: string, throttlerName: string): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE key = $1`, [`${throttlerName}:${key}`]);
  }

  async removeExpired(): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} AS attempt WHERE expires_at <= now() AND ${OVER}`, []);
  }

  private get table(): string {
    return this.database.tables.attempt;
  }
}

function rowKey(key: string): string {
  return `in-a-row:${key}`;
}

/** Whole seconds until then; the column has milliseconds, so that a difference below one is rounding. */
function seconds(expression: string): string {
  return `ceil(greatest(extract(epoch FROM ${expression} - now()) - 0.001, 0))::integer`;
}
