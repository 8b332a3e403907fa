import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SessionRevokedError } from '../session.errors.js';
import { Revocations } from '../revocation/revocations.js';
import { AfterCommit } from '../store/after-commit.js';
import { type SessionSelection, SessionStore } from '../store/session.store.js';

/** Ends sessions. */
@Injectable()
export class SessionRevoker {
  constructor(
    private readonly store: SessionStore,
    private readonly revocations: Revocations,
    private readonly afterCommit: AfterCommit,
  ) {}

  /**
   * The application does not know the user any more: all sessions end.
   *
   * @throws SessionRevokedError always
   */
  async endRefused(userId: string, manager?: EntityManager): Promise<never> {
    await this.end({ userId }, 'refused-by-claims', manager);
    throw new SessionRevokedError();
  }

  /** Returns how many sessions were ended. Their access tokens are refused once that is committed. */
  async end(selection: SessionSelection, reason: string, manager?: EntityManager): Promise<number> {
    const ids = await this.store.end(selection, reason, manager);
    this.afterCommit.onCommit(manager, () =>
      this.revocations.mergeLocal({ sessions: ids.map(id => ({ id, reason })) }),
    );
    const one = 'sessionId' in selection && selection.ownedBy === undefined ? selection.sessionId : undefined;
    if (one !== undefined && ids.length === 0) {
      // What has ended it may be the caller's own transaction, and be undone with it.
      this.afterCommit.onCommit(manager, () => this.revocations.markEnded(one, reason));
    }
    return ids.length;
  }
}
