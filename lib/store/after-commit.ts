import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { EntityManager, EntitySubscriberInterface, QueryRunner } from 'typeorm';
import { Database } from './database.js';

interface Pending {
  depth: number;
  readonly task: () => void;
}

/**
 * Runs tasks once what they speak of is true: at once without a transaction, else when the caller's transaction has
 * committed. What is rolled back, also to a savepoint, never runs.
 */
@Injectable()
export class AfterCommit implements EntitySubscriberInterface, OnModuleInit, OnModuleDestroy {
  private readonly depths = new WeakMap<QueryRunner, number>();
  private readonly pending = new WeakMap<QueryRunner, Pending[]>();

  constructor(private readonly database: Database) {}

  onModuleInit(): void {
    this.database.dataSource.subscribers.push(this);
  }

  onModuleDestroy(): void {
    const { subscribers } = this.database.dataSource;
    const index = subscribers.indexOf(this);
    if (index >= 0) subscribers.splice(index, 1);
  }

  onCommit(manager: EntityManager | undefined, task: () => void): void {
    const runner = manager?.queryRunner;
    if (!runner?.isTransactionActive) return task();
    const tasks = this.pending.get(runner) ?? [];
    tasks.push({ depth: this.depths.get(runner) ?? 1, task });
    this.pending.set(runner, tasks);
  }

  afterTransactionStart({ queryRunner }: { queryRunner: QueryRunner }): void {
    this.depths.set(queryRunner, (this.depths.get(queryRunner) ?? 0) + 1);
  }

  afterTransactionCommit({ queryRunner }: { queryRunner: QueryRunner }): void {
    const depth = this.leave(queryRunner);
    const tasks = this.pending.get(queryRunner) ?? [];
    if (depth > 0) {
      for (const task of tasks) task.depth = Math.min(task.depth, depth);
      return;
    }
    this.pending.delete(queryRunner);
    for (const { task } of tasks) task();
  }

  afterTransactionRollback({ queryRunner }: { queryRunner: QueryRunner }): void {
    const depth = this.leave(queryRunner);
    const kept = (this.pending.get(queryRunner) ?? []).filter(task => task.depth <= depth);
    this.pending.set(queryRunner, kept);
  }

  private leave(queryRunner: QueryRunner): number {
    const depth = Math.max((this.depths.get(queryRunner) ?? 1) - 1, 0);
    this.depths.set(queryRunner, depth);
    return depth;
  }
}
