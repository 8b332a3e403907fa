import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { RevocationStore } from '../store/revocation.store.js';
import { type SessionSelection, SessionStore } from '../store/session.store.js';
import { Announcements } from './announcements.js';

/** Revokes sessions and tokens. */
@Injectable()
export class SessionRevoker {
  constructor(
    private readonly store: SessionStore,
    private readonly revocations: RevocationStore,
    private readonly announcements: Announcements,
  ) {}

  /** Returns how many sessions were ended. Their access tokens are refused once that is committed. */
  async revoke(selection: SessionSelection, reason: string, manager?: EntityManager): Promise<number> {
    const ids = await this.store.end(selection, reason, manager);
    const one = 'sessionId' in selection && selection.ownedBy === undefined ? selection.sessionId : undefined;
    this.announcements.committed(manager, {
      sessions: ids.map(id => ({ id, reason })),
      notLive: one !== undefined && ids.length === 0 ? { id: one, reason } : undefined,
    });
    return ids.length;
  }

  /** Invalidates all tokens of one type that a user has, by changing one row (F28). */
  async invalidateTokens(userId: string, type: 'access' | 'refresh', manager?: EntityManager): Promise<void> {
    const version = await this.revocations.invalidate(userId, type, manager);
    if (type === 'access') this.announcements.committed(manager, { users: [{ id: userId, version }] });
  }
}
