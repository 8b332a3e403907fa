import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit, Optional } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ACCOUNT_DATA_SOURCE } from '../account.constants.js';
import type { AccountTransaction } from '../account.types.js';
import { SessionStoreUnavailableError } from '../../index.js';
import {
  joinTransaction,
  runTransaction,
  STATEMENT_TIMEOUT_MS,
  type TimeLimit,
  useConnection,
} from '../../common/bounded-database.js';
import { SessionTimers } from '../../common/clock.js';
import { CommitHooks } from '../../common/commit-hooks.js';
import { requireSchema, schemaGaps } from '../../common/missing-schema.js';
import { ACCOUNT_SERVICE_ENTITIES } from './entities.js';
import { type Statement, valuesOf } from '../../common/statement.js';
import { Telemetry } from '../../telemetry/telemetry.js';
import { accountTables, type AccountTables, expectedTables } from './tables.js';

/** Runs the statements of this folder, in the caller's transaction where there is one. */
@Injectable()
export class AccountDatabase implements OnModuleInit, OnModuleDestroy {
  private readonly hooks = new CommitHooks();
  private readonly built = new Map<unknown, unknown>();

  /** @internal Nest makes it. */
  constructor(
    @Inject(ACCOUNT_DATA_SOURCE) readonly dataSource: DataSource,
    private readonly timers: SessionTimers,
    @Optional() private readonly telemetry?: Telemetry,
  ) {}

  onModuleInit(): void {
    this.hooks.attach(this.dataSource);
  }

  onModuleDestroy(): void {
    this.hooks.detach(this.dataSource);
  }

  /** A store's statements, built at first use: before that `requireSchema` reports entities that are missing. */
  statements<T>(build: (tables: AccountTables) => T): T {
    let statements = this.built.get(build) as T | undefined;
    if (!statements) this.built.set(build, (statements = build(accountTables(this.dataSource))));
    return statements;
  }

  async query<Values extends object, Row extends object>(
    statement: Statement<Values, Row>,
    values: NoInfer<Values>,
    transaction?: AccountTransaction,
  ): Promise<Row[]> {
    const parameters = valuesOf(statement, values);
    const send = () =>
      this.run(transaction, manager => manager.query<Row[] | [Row[], number]>(statement.text, parameters));
    const rows = await (this.telemetry ? this.telemetry.statement(statement.name, send) : send());
    // TypeORM answers UPDATE and DELETE with the rows and their number.
    return Array.isArray(rows[0]) ? rows[0] : (rows as Row[]);
  }

  /**
   * Uses the caller's transaction, or a connection of the pool.
   *
   * @throws SessionStoreUnavailableError when the database does not answer in time
   */
  run<T>({ manager }: AccountTransaction = {}, use: (manager: EntityManager) => Promise<T>): Promise<T> {
    return manager?.queryRunner
      ? joinTransaction(manager.queryRunner, () => use(manager), this.limit)
      : useConnection(this.dataSource, runner => use(runner.manager), this.limit);
  }

  /** What the database lacks of the tables, in words. */
  gaps(): Promise<string[]> {
    return schemaGaps(expectedTables(this.dataSource), (statement, values) => this.query(statement, values));
  }

  /** @throws Error that says what to add to the data source */
  requireSchema(): Promise<void> {
    return requireSchema(this.dataSource, {
      module: 'AccountModule',
      entitiesName: 'ACCOUNT_ENTITIES',
      migrationsName: 'ACCOUNT_MIGRATIONS',
      entities: ACCOUNT_SERVICE_ENTITIES,
      gaps: () => this.gaps(),
    });
  }

  /** Runs the task after the transaction has committed; at once without one. */
  onCommit({ manager }: AccountTransaction, task: () => void): void {
    this.hooks.onCommit(manager, task);
  }

  transaction<T>(run: (transaction: AccountTransaction) => Promise<T>): Promise<T> {
    return runTransaction(this.dataSource, manager => run({ manager }), this.limit);
  }

  private get limit(): TimeLimit {
    return {
      timers: this.timers,
      milliseconds: STATEMENT_TIMEOUT_MS,
      late: () => new SessionStoreUnavailableError(),
    };
  }
}
