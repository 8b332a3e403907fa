import type { DataSource, EntityManager, EntitySubscriberInterface, QueryRunner } from 'typeorm';

interface Pending {
  /** How many transactions, the outer one and savepoints in it, must commit before the task runs. */
  depth: number;
  readonly task: () => void;
}

/** Runs tasks when the caller's transaction commits. A task that is rolled back, also to a savepoint, never runs. */
export class CommitHooks implements EntitySubscriberInterface {
  private readonly depths = new WeakMap<QueryRunner, number>();
  private readonly pending = new WeakMap<QueryRunner, Pending[]>();

  /** Follows the transactions of a data source from now on. */
  attach({ subscribers }: DataSource): void {
    subscribers.push(this);
  }

  detach({ subscribers }: DataSource): void {
    const index = subscribers.indexOf(this);
    if (index >= 0) subscribers.splice(index, 1);
  }

  /** Runs the task after the commit of the manager's transaction; at once without a transaction. */
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
