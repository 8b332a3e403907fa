import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CommitHooks } from '../common/commit-hooks.js';
import type { Announcement } from '../rules/revocation-state.js';
import { type TheftClass, theftReason } from '../rules/theft.js';
import { type SessionEvent, SessionEvents } from '../session.events.js';
import { Database } from '../store/database.js';
import { Notifications } from '../store/notifications.js';
import { Revocations } from './revocations.js';

/** What a statement has changed or found. */
export interface Change extends Announcement {
  /** A session that the database says is not live. This may be news if the response to our own UPDATE was lost. */
  readonly notLive?: { readonly id: string; readonly reason: string };
  readonly event?: SessionEvent;
}

/** Tells this process's memory, the other processes and the subscribers of events what the database now says. */
@Injectable()
export class Announcements implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('SessionRotation');
  private readonly hooks = new CommitHooks();

  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly events: SessionEvents,
    private readonly notifications: Notifications,
  ) {}

  onModuleInit(): void {
    this.hooks.attach(this.database.dataSource);
  }

  onModuleDestroy(): void {
    this.hooks.detach(this.database.dataSource);
  }

  /**
   * Announces a change as soon as it is committed: at once, or with the caller's transaction. Nothing is announced of a
   * transaction that is rolled back.
   *
   * @param manager the caller's transaction
   */
  committed(manager: EntityManager | undefined, change: Change): void {
    this.hooks.onCommit(manager, () => {
      this.revocations.mergeLocal(change);
      this.notifications.announce(change);
      if (change.notLive) this.revocations.markEnded(change.notLive.id, change.notLive.reason);
      if (change.event) this.events.emit(change.event);
    });
  }

  /**
   * A refresh token has come that the database should know.
   *
   * @param given the token
   * @param observed its row
   */
  lostCommit(
    type: 'session.recovered' | 'session.lost',
    given: { readonly sessionId: string; readonly generation: number },
    observed: { readonly userId: string; readonly state: { readonly generation: number } },
  ): void {
    const { sessionId, generation } = given;
    const { userId, state } = observed;
    this.committed(undefined, { event: { type, sessionId, userId } });
    this.logger.warn(`${type}: session ${sessionId} has generation ${generation}, its row ${state.generation}`);
  }

  /** @param ended the ids of the sessions that the theft has ended, the stolen one among them */
  theft(sessionId: string, userId: string, theftClass: TheftClass, ended: readonly string[]): void {
    const reason = theftReason(theftClass);
    this.committed(undefined, {
      sessions: ended.map(id => ({ id, reason })),
      event: { type: 'session.theft', sessionId, userId, class: theftClass, ended: ended.length },
    });
    this.logger.warn(
      `theft: ${theftClass}: session ${sessionId} was ended, and ${ended.length - 1} others of its user`,
    );
  }
}
