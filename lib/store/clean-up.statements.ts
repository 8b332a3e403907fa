import { interval } from '../common/sql.js';
import { statement } from '../common/statement.js';
import type { SessionTables } from './tables.js';

/** How many rows one statement reads: few enough not to delay other statements. */
const BATCH_SIZE = 1_000;

export interface RemovedRow {
  readonly last_id: string | null;
  readonly removed: string;
}

export function buildCleanUpStatements(tables: SessionTables) {
  const ended = `(s.expires_at < now() - ${interval(':age')} OR s.revoked_at < now() - ${interval(':age')})`;
  // Rows of several machines cannot be locked by one statement: there a row that is locked is waited for.
  const of = tables.distributed ? 'batch' : 'doomed';
  const doomed = tables.distributed
    ? ''
    : `doomed AS (
          SELECT s.id, s.bucket FROM ${tables.session} s WHERE s.id IN (SELECT id FROM batch) AND ${ended}
          ORDER BY s.id FOR UPDATE SKIP LOCKED
        ), `;
  return {
    count: statement<{ age: number }, { count: string }>(
      'jwt_session_clean_up_count',
      `SELECT count(*) FROM ${tables.session} s WHERE ${ended}`,
    ),
    // The delete repeats the predicate: a session may have been refreshed since the batch was read. Rows that another
    // process is removing are skipped.
    remove: statement<{ age: number; cursor: string }, RemovedRow>(
      'jwt_session_clean_up_remove',
      `WITH batch AS (
          SELECT s.id, s.bucket FROM ${tables.session} s WHERE s.id > :cursor ORDER BY s.id LIMIT ${BATCH_SIZE}
        ), ${doomed}removed AS (
          DELETE FROM ${tables.session} s USING ${of} WHERE s.id = ${of}.id AND s.bucket = ${of}.bucket AND ${ended}
          RETURNING s.id
        )
        SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id, (SELECT count(*) FROM removed) AS removed`,
    ),
  };
}
