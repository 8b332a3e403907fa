import { Injectable, Logger } from '@nestjs/common';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { type Announcement, RevocationState, type RevocationKeys } from '../rules/revocation-state.js';
import {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  REPLACED,
  revokedError,
  type SessionError,
} from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../common/clock.js';

/** Room for clocks that differ. */
const MARGIN = 60_000;

/** What this process knows of what ended early, whoever ended it. */
@Injectable()
export class Revocations {
  private readonly logger = new Logger('SessionRevocation');
  /** Milliseconds for which an access token can outlive what it was issued for. */
  readonly span: number;
  private readonly state: RevocationState;

  constructor(
    options: ResolvedSessionOptions,
    private readonly clock: SessionClock,
    private readonly events: SessionEvents,
    private readonly keys: KeyRing,
  ) {
    const { lifetime, clockTolerance } = options.accessToken;
    this.span = lifetime + clockTolerance + MARGIN;
    this.state = new RevocationState(this.span);
  }

  /** This process ended something, and that is committed. */
  mergeLocal(announcement: Announcement): void {
    this.merge(announcement, 'local');
  }

  /** Another process ended something, as a notification or the database says. */
  mergeRemote(announcement: Announcement): void {
    this.merge(announcement, 'remote');
  }

  /** The database has said that the session is not live. News to this process if the answer to its ending was lost. */
  markEnded(sessionId: string, reason: string): void {
    this.state.merge({ sessions: [{ id: sessionId, reason }] }, this.clock.now());
  }

  /** Why a token no longer counts, or undefined while nothing is known against it. */
  refusalOf(token: RevocationKeys): SessionError | undefined {
    const reason = this.state.reasonOf(token.sessionId);
    // The new login's cookies are there, or on their way: whoever refreshes gets on with them.
    if (reason === REPLACED) return new AccessTokenInvalidError('The session was replaced by a new login: refresh');
    if (reason !== undefined) return revokedError(reason);
    if (this.state.isInvalidated(token)) return new AccessTokenInvalidError();
    return this.state.isOutdated(token) ? new AccessTokenExpiredError() : undefined;
  }

  /** How many sessions and users are kept in memory. */
  get size(): number {
    return this.state.size;
  }

  /** Whoever distrusted the keys has made a new one. */
  private replaceKeys(): void {
    this.keys.reload().catch((error: unknown) => {
      // The rotation's next turn tries again.
      this.logger.error(`keys: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  private merge(announcement: Announcement, source: 'local' | 'remote'): void {
    const news = this.state.merge(announcement, this.clock.now());
    if (this.keys.distrust(announcement.keys ?? [])) this.replaceKeys();
    const reasons = new Map(announcement.sessions?.map(({ id, reason }) => [id, reason]));
    // One event per reason: those that ended together are told together.
    for (const reason of new Set(news.map(id => reasons.get(id)!))) {
      const sessionIds = news.filter(id => reasons.get(id) === reason);
      this.events.emit({ type: 'session.revoked', sessionIds, reason, source });
    }
  }
}
