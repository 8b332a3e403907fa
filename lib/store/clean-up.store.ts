import { Injectable } from '@nestjs/common';
import { NIL_UUID } from '../common/uuid.js';
import { buildCleanUpStatements, type RemovedRow } from './clean-up.statements.js';
import { Database } from './database.js';

/** Milliseconds for a statement: counting reads the whole table. */
const TIMEOUT_MS = 60_000;

/** Removes sessions some time after they have ended, in the order of the primary key. */
@Injectable()
export class CleanUpStore {
  constructor(private readonly database: Database) {}

  /**
   * Walks the table once.
   *
   * @param age milliseconds for which an ended session is kept, so that its late tokens get an answer that says why
   * @returns how many sessions were removed, or would be
   */
  async removeEnded(age: number, dryRun: boolean): Promise<number> {
    if (dryRun) {
      const [row] = await this.database.query(this.sql.count, { age }, { timeout: TIMEOUT_MS });
      return Number(row!.count);
    }
    let removed = 0;
    let cursor: string | null = NIL_UUID;
    while (cursor !== null) {
      const [row]: RemovedRow[] = await this.database.query(this.sql.remove, { age, cursor }, { timeout: TIMEOUT_MS });
      removed += Number(row!.removed);
      cursor = row!.last_id;
    }
    return removed;
  }

  private get sql() {
    return this.database.statements(buildCleanUpStatements);
  }
}
