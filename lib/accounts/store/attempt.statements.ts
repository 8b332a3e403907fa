import { interval } from '../../common/sql.js';
import { statement } from '../../common/statement.js';
import type { AttemptRecord } from './attempt.store.js';
import type { AccountTables } from './tables.js';

// Whether the time of a row is over, and whether it refuses.
const OVER = '(COALESCE(attempt.blocked_until, attempt.expires_at) <= now())';
const BLOCKED = '(attempt.blocked_until > now())';

interface Limits {
  readonly ttl: number;
  readonly limit: number;
  readonly blockDuration: number;
}

export function buildAttemptStatements({ attempt }: AccountTables) {
  return {
    increment: statement<Limits & { key: string }, AttemptRecord>(
      'jwt_account_attempt_increment',
      `INSERT INTO ${attempt} AS attempt (key, hits, expires_at, blocked_until)
        VALUES (:key, 1, now() + ${interval(':ttl')},
          CASE WHEN 1 > :limit::integer THEN now() + ${interval(':blockDuration')} END)
        ON CONFLICT (key) DO UPDATE SET
          hits = CASE WHEN ${OVER} THEN 1 WHEN ${BLOCKED} THEN attempt.hits ELSE attempt.hits + 1 END,
          expires_at = CASE WHEN ${OVER} THEN excluded.expires_at ELSE attempt.expires_at END,
          blocked_until = CASE
            WHEN ${OVER} THEN excluded.blocked_until
            WHEN ${BLOCKED} THEN attempt.blocked_until
            WHEN attempt.hits + 1 > :limit::integer THEN now() + ${interval(':blockDuration')}
          END
        RETURNING hits AS "totalHits",
          ${seconds('expires_at')} AS "timeToExpire",
          blocked_until IS NOT NULL AS "isBlocked",
          COALESCE(${seconds('blocked_until')}, 0) AS "timeToBlockExpire"`,
    ),
    incrementInARow: statement<{ key: string; ttl: number }, { hits: number }>(
      'jwt_account_attempt_increment_in_a_row',
      `INSERT INTO ${attempt} AS attempt (key, hits, expires_at) VALUES (:key, 1, now() + ${interval(':ttl')})
        ON CONFLICT (key) DO UPDATE SET
          hits = CASE WHEN ${OVER} THEN 1 ELSE attempt.hits + 1 END,
          expires_at = excluded.expires_at
        RETURNING hits`,
    ),
    release: statement<{ key: string }>(
      'jwt_account_attempt_release',
      `UPDATE ${attempt} SET hits = hits - 1 WHERE key = :key AND hits > 0 AND blocked_until IS NULL`,
    ),
    remove: statement<{ key: string }>('jwt_account_attempt_remove', `DELETE FROM ${attempt} WHERE key = :key`),
    removeExpired: statement(
      'jwt_account_attempt_remove_expired',
      `DELETE FROM ${attempt} AS attempt WHERE expires_at <= now() AND ${OVER}`,
    ),
  };
}

/** Whole seconds until then; the column has milliseconds, so that a difference below one is rounding. */
function seconds(expression: string): string {
  return `ceil(greatest(extract(epoch FROM ${expression} - now()) - 0.001, 0))::integer`;
}
