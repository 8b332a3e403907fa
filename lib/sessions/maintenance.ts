import { Injectable, Logger } from '@nestjs/common';
import { Schedule } from '../common/schedule.js';
import { KeyRing } from '../keys/key-ring.js';
import { KeyRotation } from '../keys/key-rotation.js';
import { MAX_ISSUE_AGE_MS } from '../rules/rotation.js';
import { RevocationFeed } from '../revocation/revocation-feed.js';
import { Revocations } from '../revocation/revocations.js';
import type { CleanUpResult, SessionStatus } from '../session.types.js';
import { CleanUpStore } from '../store/clean-up.store.js';
import { Database } from '../store/database.js';
import { KeyStore } from '../store/key.store.js';
import { SchemaCheck } from '../store/schema-check.js';

const CLEAN_UP_INTERVAL_MS = 3_600_000;

/** How long ended sessions are kept, in milliseconds: a day. */
const MIN_AGE_MS = 86_400_000;

/** The module's background work, and what operators ask for: clean-up, key rotation and status. */
@Injectable()
export class SessionMaintenance {
  private readonly logger = new Logger('SessionCleanUp');
  private readonly schema: SchemaCheck;
  private stopCleanUp?: () => void;

  constructor(
    private readonly database: Database,
    private readonly sessionRows: CleanUpStore,
    private readonly keyRows: KeyStore,
    private readonly keys: KeyRing,
    private readonly rotation: KeyRotation,
    private readonly revocations: Revocations,
    private readonly feed: RevocationFeed,
    private readonly schedule: Schedule,
  ) {
    this.schema = new SchemaCheck(database);
  }

  /**
   * Checks the schema, makes the first key, and begins to listen for revocations and to remove old rows. When one of
   * these fails, it stops the others.
   *
   * @throws Error that says what is wrong with the database or with option `secret`
   */
  async start(): Promise<void> {
    try {
      await this.schema.run();
      await this.rotation.start();
      await this.feed.start();
    } catch (error) {
      // Nest calls no shutdown hook when a start fails. The listening connection would keep the process alive.
      await this.stop();
      throw error;
    }
    this.stopCleanUp = this.schedule.every('jwt-session-clean-up', CLEAN_UP_INTERVAL_MS, () => this.cleanUp(false));
  }

  async stop(): Promise<void> {
    this.rotation.stop();
    this.stopCleanUp?.();
    await this.feed.stop();
  }

  /**
   * Removes sessions a day after they have ended, and keys a week after their last token has expired. The row of a
   * session is kept as long as one of its access tokens is valid, because a process that starts learns from it that the
   * session has ended. Known devices without a login for a year are removed.
   */
  async cleanUp(dryRun: boolean): Promise<CleanUpResult> {
    const sessions = await this.sessionRows.removeEnded(Math.max(MIN_AGE_MS, this.revocations.span), dryRun);
    const devices = await this.sessionRows.removeDevices(dryRun);
    const keys = await this.keyRows.removeRetired(MAX_ISSUE_AGE_MS, dryRun);
    if (!dryRun && sessions + keys > 0) this.logger.log(`removed ${sessions} ended sessions and ${keys} retired keys`);
    return { sessions, devices, keys };
  }

  /** @param distrust refuses tokens that were signed by any present key */
  rotateKeys(distrust: boolean): Promise<void> {
    return this.rotation.rotateNow(distrust);
  }

  async status(): Promise<SessionStatus> {
    const database = (await this.schema.ping()) ? 'up' : 'down';
    const signing = this.keys.current?.kid;
    const revocation = this.feed.status;
    const keys = signing === undefined ? 'down' : 'up';
    return {
      // Without the feed each session is checked in the database. Where one part of a distributed database does not
      // answer, the feed fails in all processes, and the sessions of the other parts are still served.
      status: database === 'up' && keys === 'up' ? 'up' : 'down',
      database: { status: database },
      keys: { status: keys, ...(signing === undefined ? {} : { signing }), verifying: this.keys.verifying.length },
      revocation,
      load: this.database.load.status,
    };
  }
}
