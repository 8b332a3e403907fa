import { Injectable, Logger } from '@nestjs/common';
import { Revocations } from '../revocation/revocations.js';
import { Schedule } from '../common/schedule.js';
import type { CleanUpResult } from '../session.types.js';
import { CleanUpStore } from '../store/clean-up.store.js';
import { KeyStore } from '../store/key.store.js';

const DAY = 86_400_000;
const INTERVAL = 3_600_000;

/**
 * Removes sessions a day after they have ended, and keys a day after their last token has expired. The row of a session
 * stays as long as an access token of it: a process that starts meanwhile learns from it that the session has ended.
 */
@Injectable()
export class CleanUp {
  private readonly logger = new Logger('SessionCleanUp');
  private stopTimer?: () => void;

  constructor(
    private readonly sessions: CleanUpStore,
    private readonly keys: KeyStore,
    private readonly revocations: Revocations,
    private readonly schedule: Schedule,
  ) {}

  start(): void {
    this.stopTimer = this.schedule.every('jwt-session-clean-up', INTERVAL, () => this.run(false));
  }

  stop(): void {
    this.stopTimer?.();
  }

  async run(dryRun: boolean): Promise<CleanUpResult> {
    const sessions = await this.sessions.removeEnded(Math.max(DAY, this.revocations.span), dryRun);
    const keys = await this.keys.removeRetired(DAY, dryRun);
    if (!dryRun && sessions + keys > 0) this.logger.log(`removed ${sessions} ended sessions and ${keys} retired keys`);
    return { sessions, keys };
  }
}
