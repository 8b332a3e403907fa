import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Revocations } from '../revocation/revocations.js';
import { AfterCommit } from '../store/after-commit.js';
import { type SessionSelection, SessionStore } from '../store/session.store.js';

/** Ends sessions. */
@Injectable()
export class SessionEnder {
  constructor(
    private readonly store: SessionStore,
    private readonly revocations: Revocations,
    private readonly afterCommit: AfterCommit,
  ) {}

  /** Returns how many sessions were ended. Their access tokens are refused once that is committed. */
  async end(selection: SessionSelection, reason: string, manager?: EntityManager): Promise<number> {
    const ids = await this.store.end(selection, reason, manager);
    this.afterCommit.run(manager, () => this.revocations.ended(ids, reason));
    return ids.length;
  }
}
