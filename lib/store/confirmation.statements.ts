import { interval } from '../common/sql.js';
import { statement } from '../common/statement.js';
import { CASE_LETTERS } from './rotation-cases.js';
import type { RotationSettings } from './rotation.statements.js';
import { announceSessions, inBucketOf, inTime, LIMITED, type Limited, LIVE_OF_ID } from './sql-fragments.js';
import type { SessionTables } from './tables.js';

export function buildConfirmationStatements(tables: SessionTables, settings: RotationSettings) {
  // Compare and set: the outcome is decided on the row as it was read, and again on the row as it was locked. Rows that
  // another transaction has locked are skipped: a transaction of the application's may hold one for long.
  const outcome = `CASE
        WHEN s.generation = used.generation - 1
          THEN CASE substring(s.successor_hash FROM 1 FOR 6) = used.branch WHEN true THEN 'confirmed-by-use'
            WHEN false THEN CASE WHEN used.issued_at <= s.last_seen_at THEN 'fork' END END
        WHEN s.generation = used.generation AND substring(s.token_hash FROM 1 FOR 6) <> used.branch THEN 'fork'
        WHEN s.generation = used.generation + 1 AND substring(s.previous_hash FROM 1 FOR 6) <> used.branch THEN 'fork'
      END`;
  const confirm = statement<UsedTokens, UseRow>(
    'jwt_session_confirm',
    `WITH used AS (
        SELECT used.*, (SELECT ${outcome} FROM ${tables.session} s
          WHERE s.id = used.id AND ${inBucketOf(tables, 'used')} AND ${LIVE_OF_ID}) AS outcome
        FROM unnest(:sessionId::uuid[], :bucket::smallint[], :generation::bigint[], :branch::bytea[],
          :issuedAt::timestamptz[]) AS used (id, bucket, generation, branch, issued_at)
        ORDER BY used.id ${LIMITED}
      ), target AS (
        SELECT used.id, used.bucket, used.generation, used.outcome
        FROM used CROSS JOIN LATERAL (
          SELECT FROM ${tables.session} s
          WHERE s.id = used.id AND ${inBucketOf(tables, 'used')} AND ${LIVE_OF_ID} AND ${outcome} = used.outcome
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS locked
        WHERE used.outcome IS NOT NULL AND ${inTime()}
      ), confirmed AS (
        UPDATE ${tables.session} s SET generation = target.generation, token_hash = s.successor_hash,
          previous_hash = s.token_hash, previous_salt = s.successor_salt, successor_hash = NULL, successor_salt = NULL,
          leeway_until = now() + ${interval(String(settings.leeway))}, last_case = '${CASE_LETTERS['confirmed-by-use']}', last_seen_at = now()
        FROM target
        WHERE s.id = target.id AND ${inBucketOf(tables, 'target')} AND target.outcome = 'confirmed-by-use'
      ), revoked AS (
        UPDATE ${tables.session} s SET revoked_at = (SELECT clock_timestamp()), revoked_reason = 'theft:fork'
        FROM target
        WHERE s.id = target.id AND ${inBucketOf(tables, 'target')} AND target.outcome = 'fork' AND NOT ${settings.reportsForks}
        RETURNING s.id, s.user_id, s.revoked_reason AS reason
      ), ${announceSessions(tables)}
      SELECT used.id, revoked.user_id, target.id IS NULL AS skipped, target.outcome = 'fork' AS fork, (SELECT count(sent) FROM announced) AS notifications
      FROM used LEFT JOIN target ON target.id = used.id LEFT JOIN revoked ON revoked.id = used.id
      WHERE used.outcome IS NOT NULL`,
  );

  return { confirm };
}

export interface UsedTokens extends Limited {
  readonly sessionId: readonly string[];
  readonly generation: readonly number[];
  readonly branch: readonly Buffer[];
  readonly issuedAt: readonly Date[];
  /** In the database's clock, milliseconds since the epoch. */
  readonly deadline: number;
}

export interface UseRow {
  readonly id: string;
  /** Not null where the session was ended by theft. */
  readonly user_id: string | null;
  readonly skipped: boolean;
  /** Whether the token is off the lineage; null for a skipped row. */
  readonly fork: boolean | null;
}
