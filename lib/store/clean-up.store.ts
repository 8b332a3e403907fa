import { Injectable } from '@nestjs/common';
import { NIL_UUID } from '../common/uuid.js';
import { buildCleanUpStatements, type RemovedRow } from './clean-up.statements.js';
import { Database } from './database.js';
import { buildKnownDeviceStatements, type RemovedDevices } from './known-device.statements.js';

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

  /** Removes devices that were not seen for a year, but for the last one of each user. Walks their table once. */
  async removeDevices(dryRun: boolean): Promise<number> {
    const sql = this.database.statements(buildKnownDeviceStatements);
    const context = { timeout: TIMEOUT_MS };
    if (dryRun) {
      const [row] = await this.database.query(sql.count, {}, context);
      return Number(row!.count);
    }
    let removed = 0;
    let last: RemovedDevices | undefined = { user_id: '', hash: Buffer.alloc(0), removed: '0' };
    while (last) {
      const after: { afterUser: string; afterHash: Buffer } = { afterUser: last.user_id, afterHash: last.hash };
      [last] = await this.database.query(sql.remove, after, context);
      removed += Number(last?.removed ?? 0);
    }
    return removed;
  }

  private get sql() {
    return this.database.statements(buildCleanUpStatements);
  }
}
