import type { EntityManager } from 'typeorm';
import type { KnownDevice } from '../session.types.js';
import { Database } from './database.js';
import { buildKnownDeviceStatements } from './known-device.statements.js';

/** The rows of known devices. A login finds and adds them in its own statement. */
export class KnownDeviceStore {
  constructor(private readonly database: Database) {}

  /** Which of the hashes is that of a device that the user was seen on within a year. */
  async find(userId: string, hashes: readonly Buffer[]): Promise<Buffer | undefined> {
    const [device] = await this.database.query(this.sql.find, { userId, hashes });
    return device?.hash;
  }

  /** The last seen first. */
  async list(userId: string): Promise<KnownDevice[]> {
    const rows = await this.database.query(this.sql.list, { userId });
    return rows.map(({ sessionId, lastSeenAt }) => ({ sessionId, lastSeenAt: new Date(lastSeenAt) }));
  }

  /**
   * Removes the user's devices, or only that of a session.
   *
   * @returns how many
   */
  async forget(
    userId: string,
    of: string | undefined,
    except: readonly Buffer[],
    manager: EntityManager | undefined,
  ): Promise<number> {
    return (await this.database.query(this.sql.forget, { userId, of, except }, { manager })).length;
  }

  private get sql() {
    return this.database.statements(buildKnownDeviceStatements);
  }
}
