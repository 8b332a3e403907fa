import { Injectable } from '@nestjs/common';
import { NIL_UUID } from '../common/uuid.js';
import { Database, interval, type Statement } from './database.js';

/** How many rows one statement walks: short enough to hold up nobody. */
const BATCH = 1_000;

/** Removes sessions a while after they have ended, walking the primary key. */
@Injectable()
export class CleanUpStore {
  private statements?: ReturnType<typeof buildStatements>;

  constructor(private readonly database: Database) {}

  /**
   * Walks the table once.
   *
   * @param age milliseconds for which an ended session is kept, so that its late tokens still meet a telling answer
   * @returns how many sessions were removed, or would be
   */
  async removeEnded(age: number, dryRun: boolean): Promise<number> {
    if (dryRun) {
      const [row] = await this.database.query<{ count: string }>(this.sql.count, [age]);
      return Number(row!.count);
    }
    let removed = 0;
    let cursor: string | null = NIL_UUID;
    while (cursor !== null) {
      const [row]: { last_id: string | null; removed: string }[] = await this.database.query(this.sql.remove, [
        age,
        cursor,
      ]);
      removed += Number(row!.removed);
      cursor = row!.last_id;
    }
    return removed;
  }

  private get sql() {
    return (this.statements ??= buildStatements(this.database));
  }
}

function buildStatements({ tables }: Database) {
  const ended = `(s.expires_at < now() - ${interval('$1')} OR s.revoked_at < now() - ${interval('$1')})`;
  return {
    count: {
      name: 'jwt_session_clean_up_count',
      text: `SELECT count(*) FROM ${tables.session} s WHERE ${ended}`,
    },
    // The delete repeats the predicate: a session may have been refreshed since the batch was read. Rows that another
    // process is removing are passed over instead of waited for.
    remove: {
      name: 'jwt_session_clean_up_remove',
      text: `WITH batch AS (
          SELECT s.id FROM ${tables.session} s WHERE s.id > $2 ORDER BY s.id LIMIT ${BATCH}
        ), doomed AS (
          SELECT s.id FROM ${tables.session} s WHERE s.id IN (SELECT id FROM batch) AND ${ended}
          ORDER BY s.id FOR UPDATE SKIP LOCKED
        ), removed AS (
          DELETE FROM ${tables.session} s USING doomed WHERE s.id = doomed.id AND ${ended} RETURNING s.id
        )
        SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last_id, (SELECT count(*) FROM removed) AS removed`,
    },
  } satisfies Record<string, Statement>;
}
