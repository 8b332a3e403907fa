import { Injectable } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { RevocationState } from '../rules/revocation-state.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../session.runtime.js';

/** Room for clocks that differ. */
const MARGIN = 60_000;

/** What this process knows of sessions that ended early. */
@Injectable()
export class Revocations {
  private readonly state: RevocationState;

  constructor(
    options: ResolvedSessionOptions,
    private readonly clock: SessionClock,
    private readonly events: SessionEvents,
  ) {
    const { lifetime, clockTolerance } = options.accessToken;
    this.state = new RevocationState(lifetime + clockTolerance + MARGIN);
  }

  /** Sessions were ended by this process, and that is committed. */
  ended(sessionIds: readonly string[], reason: string): void {
    if (sessionIds.length === 0) return;
    const now = this.clock.now();
    for (const sessionId of sessionIds) this.state.endSession(sessionId, reason, now);
    this.events.emit({ type: 'session.revoked', sessionIds, reason, origin: 'local' });
  }

  /** Why the session has ended, or undefined while it lives. */
  reasonOf(sessionId: string): string | undefined {
    return this.state.reasonOf(sessionId);
  }
}
