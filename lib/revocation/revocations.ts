import { Inject, Injectable, Logger } from '@nestjs/common';
import { SessionClock } from '../common/clock.js';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import type { LearnedFrom } from '../rules/knowledge.js';
import { RevocationLog } from '../rules/revocation-log.js';
import {
  type Announcement,
  type RevocationKeys,
  type RevocationsByKind,
  RevocationState,
} from '../rules/revocation-state.js';
import { SESSION_MODULE_EXTRAS } from '../session.constants.js';
import type { SessionError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import { refusalOf, spanOf } from './refusal.js';

/** Which process ended the sessions of an event. */
export type RevocationSource = 'local' | 'remote';

/** The revocations of all processes, as far as this process knows them. */
@Injectable()
export class Revocations {
  private readonly logger = new Logger('SessionRevocation');
  /** Milliseconds for which an access token can outlive its revocation. */
  readonly span: number;
  /** What other services read; undefined unless option `revocations` serves it. */
  readonly log?: RevocationLog;
  private readonly state: RevocationState;

  constructor(
    options: ResolvedSessionOptions,
    private readonly clock: SessionClock,
    private readonly events: SessionEvents,
    private readonly keys: KeyRing,
    @Inject(SESSION_MODULE_EXTRAS) { revocations }: SessionModuleExtras,
  ) {
    this.span = spanOf(options.accessToken);
    if (revocations) this.log = new RevocationLog(this.span);
    this.state = new RevocationState(this.span, this.log);
  }

  /** Adds what this process has committed. */
  mergeLocal(announcement: Announcement): void {
    this.merge(announcement, 'commit', 'local');
  }

  /** Adds what the database has answered about one session. */
  mergeRemote(announcement: Announcement): void {
    this.merge(announcement, 'answer', 'remote');
  }

  /**
   * Adds what a notification says, until the next poll has confirmed it or not. Keys are left alone.
   *
   * @returns whether there was room for it; otherwise only a poll can tell
   */
  mergeHint({ sessions, users, claims }: Announcement, source: RevocationSource): boolean {
    this.merge({ sessions, users, claims }, 'hint', source);
    return !this.state.isFullOfHints;
  }

  /** Adds a session that the database says is not live. It may be new here: our own UPDATE's response can be lost. */
  markEnded(sessionId: string, reason: string): void {
    this.state.merge({ sessions: [{ id: sessionId, reason }] }, this.clock.monotonic(), 'answer');
  }

  /** Called before the first statement of a poll is sent. */
  startPoll(): void {
    this.state.startPoll();
  }

  /** Adds one page of a poll. */
  mergePage(page: Announcement): void {
    this.merge(page, 'poll', 'remote');
  }

  /**
   * Called after the last page. Drops unconfirmed hints after a poll of the whole span, and returns what the database
   * should have and does not.
   *
   * @param window milliseconds that the poll has read back; undefined for the whole span
   */
  finishPoll(window?: number): RevocationsByKind {
    const now = this.clock.monotonic();
    return window === undefined ? this.state.finishPoll(now) : this.state.finishRecentPoll(now, window);
  }

  /** Whether the last poll has left hints open that only a poll of the whole span can confirm or drop. */
  get hasUnconfirmedHints(): boolean {
    return this.state.hasUnconfirmedHints;
  }

  /** Why a token no longer counts; undefined while nothing is known against it. */
  refusalOf(token: RevocationKeys): SessionError | undefined {
    return refusalOf(this.state, token);
  }

  /** The reason for which a session has ended; undefined while this process knows of no end. */
  endOf(sessionId: string): string | undefined {
    return this.state.reasonOf(sessionId);
  }

  /** What notifications said since the last poll, at most `limit` of each kind. */
  hintsUpTo(limit: number): RevocationsByKind {
    return this.state.hintsUpTo(limit);
  }

  /** How many sessions and users are kept in memory. */
  get size(): number {
    return this.state.size;
  }

  /** The process that distrusted the keys has made a new one. */
  private reloadKeys(): void {
    this.keys.reload().catch((error: unknown) => {
      // The next turn of the rotation tries again.
      this.logger.error(`keys: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  private merge(announcement: Announcement, from: LearnedFrom, source: RevocationSource): void {
    const news = this.state.merge(announcement, this.clock.monotonic(), from);
    if (this.keys.distrust(announcement.keys ?? [])) this.reloadKeys();
    if (news.length === 0) return;
    const reasons = new Map(announcement.sessions?.map(({ id, reason }) => [id, reason]));
    // One event per reason: sessions that ended together are reported together.
    const ended = new Map<string, string[]>();
    for (const id of news) {
      const reason = reasons.get(id)!;
      const sessionIds = ended.get(reason);
      if (sessionIds) sessionIds.push(id);
      else ended.set(reason, [id]);
    }
    for (const [reason, sessionIds] of ended) {
      this.events.emit({ type: 'session.revoked', sessionIds, reason, source });
    }
  }
}
