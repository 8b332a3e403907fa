import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Revocations } from '../revocation/revocations.js';
import { AfterCommit } from '../store/after-commit.js';
import { RevocationStore } from '../store/revocation.store.js';

/** Takes back all tokens of one type that a user has, by changing one row (F28). */
@Injectable()
export class TokenInvalidator {
  constructor(
    private readonly store: RevocationStore,
    private readonly revocations: Revocations,
    private readonly afterCommit: AfterCommit,
  ) {}

  async invalidate(userId: string, type: 'access' | 'refresh', manager?: EntityManager): Promise<void> {
    const version = await this.store.invalidate(userId, type, manager);
    if (type === 'refresh') return;
    this.afterCommit.onCommit(manager, () => this.revocations.mergeLocal({ users: [{ id: userId, version }] }));
  }
}
