import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnModuleInit,
  Optional,
} from '@nestjs/common';
import type { ClientConfig, Pool, PoolClient, QueryConfig } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { bucketsOf } from '../rules/bucket.js';
import { SESSION_DATA_SOURCE } from '../session.constants.js';
import { SessionError, SessionStoreUnavailableError, SessionUsageError } from '../session.errors.js';
import { joinTransaction, runTransaction, STATEMENT_TIMEOUT_MS, type TimeLimit } from '../common/bounded-database.js';
import { randomBytes } from '../common/random.js';
import { SessionTimers } from '../common/clock.js';
import { dataSourceOf } from '../common/data-source-of.js';
import { codeOf, isRepeatable, isServerError, isUnavailable } from '../common/database-errors.js';
import { type Statement, valuesOf } from '../common/statement.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { DatabaseClock } from './database-clock.js';
import { dropConnecting, type OwnConnection, queryPool, transactPool } from './pooled-query.js';
import type { TimedRow } from './sql-fragments.js';
import { type BatchedStatement, StatementBatcher } from './statement-batcher.js';
import { StoreLoad } from './store-load.js';
import { sessionTables, type SessionTables } from './tables.js';
import { VALUE_PARSERS } from './value-parsers.js';

export interface QueryContext {
  /** Joins the caller's transaction. */
  readonly manager?: EntityManager;
  /** Milliseconds for the wait for a connection and the answer together. */
  readonly timeout?: number;
}

/** How often a statement is sent that the database rolls back for the sake of another one. */
const MAX_ATTEMPTS = 8;

export interface Locked<Values extends object, Row extends object> {
  readonly statement: Statement<Values, Row>;
  readonly values: NoInfer<Values>;
}

/** What statements tell of the database beside their own columns. */
interface DatabaseColumns {
  readonly now_ms?: number;
  readonly is_replica?: boolean;
}

/** @throws Error as a replica answers a statement that writes */
function refuseReplica<Row extends DatabaseColumns>(rows: Row[]): Row[] {
  if (!rows[0]?.is_replica) return rows;
  throw Object.assign(new Error('the server is a replica, which may be behind: connect to the primary'), {
    code: '25006',
  });
}

/** Runs the statements of `store/` on the data source's pool, or on the connection of the caller's transaction. */
@Injectable()
export class Database implements OnModuleInit, BeforeApplicationShutdown {
  /**
   * Parameters of the notifications that statements send: which process sends them, and where. None before a channel.
   */
  private readonly sender: { readonly processId: string; channel: string | null } = {
    processId: randomBytes(6).toString('hex'),
    channel: null,
  };
  private readonly logger = new Logger('SessionStore');
  private readonly built = new Map<unknown, unknown>();

  constructor(
    @Inject(SESSION_DATA_SOURCE) readonly dataSource: DataSource,
    private readonly options: ResolvedSessionOptions,
    private readonly timers: SessionTimers,
    private readonly clock: DatabaseClock,
    readonly load: StoreLoad,
    @Optional() private readonly telemetry?: Telemetry,
  ) {}

  /**
   * A connection that the database ends in the packet which opens it has no listener for errors yet: neither the pool
   * nor TypeORM hears of it, and the process would end.
   */
  onModuleInit(): void {
    // `SchemaCheck` refuses other databases, which have no pool.
    const { driver } = this.dataSource as { driver?: { master?: Pool } };
    driver?.master?.on('connect', client => client.on('error', () => undefined));
  }

  get processId(): string {
    return this.sender.processId;
  }

  set channel(channel: string) {
    this.sender.channel = channel;
  }

  /** Whether an engine distributes the tables, so that a statement is about the rows of one bucket. */
  get isDistributed(): boolean {
    return this.options.distributed;
  }

  get tables(): SessionTables {
    const { mode, feed, announcer } = this.options.revocation;
    const notifies = mode === 'live' && feed === 'notify' && announcer === undefined;
    return sessionTables(this.dataSource, notifies, this.isDistributed);
  }

  /** A store's statements, built at first use: before that `SchemaCheck` reports entities that are missing. */
  statements<T>(build: (tables: SessionTables) => T): T {
    let statements = this.built.get(build) as T | undefined;
    if (!statements) this.built.set(build, (statements = build(this.tables)));
    return statements;
  }

  /**
   * Sends a statement, again if the database rolls it back for the sake of another one. Rows with `now_ms` tell the
   * database's time.
   *
   * @throws SessionStoreUnavailableError when the database cannot be reached, does not answer in time or cannot write
   * now
   */
  async query<Values extends object, Row extends object>(
    statement: Statement<Values, Row>,
    values: NoInfer<Values>,
    { manager, timeout = STATEMENT_TIMEOUT_MS }: QueryContext = {},
  ): Promise<Row[]> {
    const query = this.queryOf(statement, values);
    for (let attempt = 1; ; attempt++) {
      try {
        if (manager?.queryRunner) {
          return refuseReplica(
            await this.measured(statement.name, () => this.join<Row & DatabaseColumns>(manager, query, timeout)),
          );
        }
        const sentAt = this.clock.moment();
        const rows = await this.measured(statement.name, () =>
          queryPool<Row & DatabaseColumns>(this.pool, query, timeout, this.timers),
        );
        // Within a caller's transaction it would be the time of the transaction's start.
        if (rows[0]?.now_ms !== undefined) this.clock.learn(rows[0].now_ms, sentAt);
        return refuseReplica(rows);
      } catch (error) {
        if (manager || attempt === MAX_ATTEMPTS || !isRepeatable(error)) throw this.translate(error, statement.name);
        // Statements that failed together would meet again.
        await this.timers.pause(Math.random() * 2 ** attempt);
      }
    }
  }

  /** Lets requests of one turn of the event loop share a statement, unless their rows may be on different machines. */
  batched<Request, Answer>(statement: BatchedStatement<Request, Answer>): StatementBatcher<Request, Answer> {
    return new StatementBatcher(statement, this.timers, this.telemetry, this.isDistributed);
  }

  private queryOf<Values extends object>(statement: Statement<Values>, values: Values): QueryConfig {
    return {
      name: this.prepares ? statement.name : undefined,
      text: statement.text,
      values: valuesOf(statement, values, this.sharedValues(statement, values)),
      types: VALUE_PARSERS,
    };
  }

  private measured<T>(name: string, send: () => Promise<T>): Promise<T> {
    return this.telemetry ? this.telemetry.statement(name, send) : send();
  }

  /** Of a statement that is sent now, in the database's clock: when its sender gives it up. */
  get deadline(): number {
    return this.clock.deadline(STATEMENT_TIMEOUT_MS).databaseTime;
  }

  /**
   * Sends a statement with a deadline, after which it changes nothing: because this process was suspended, or the
   * statement lay in the network or waited for a lock. The caller has given it up, and what it would change may be newer.
   *
   * @param send is called with the deadline in the database's clock, milliseconds since the epoch
   * @throws SessionStoreUnavailableError
   */
  async inTime<Row extends TimedRow>(send: (deadline: number) => Promise<Row[]>): Promise<Row[]> {
    const deadline = this.clock.deadline(STATEMENT_TIMEOUT_MS);
    while (!deadline.hasPassed) {
      const sentAt = this.clock.moment();
      const rows = await send(deadline.databaseTime);
      if (!rows[0]!.late) return rows;
      // The database's clock was set: the time that is left counts from what it says now.
      this.clock.learn(rows[0]!.now_ms, sentAt);
    }
    throw new SessionStoreUnavailableError('The request took too long: try again; repeating is safe');
  }

  /** Runs statements in a transaction of their own, or within the caller's. */
  async transaction<T>(run: (joined: QueryContext) => Promise<T>, manager?: EntityManager): Promise<T> {
    if (manager?.queryRunner) return run({ manager });
    try {
      return await runTransaction(this.dataSource, inner => run({ manager: inner }), this.limit(STATEMENT_TIMEOUT_MS));
    } catch (error) {
      throw this.translate(error, 'transaction');
    }
  }

  /**
   * Sends a statement after another one that takes a lock, in a transaction of their own or within the caller's. It sees
   * what committed before the lock was given.
   *
   * @throws SessionStoreUnavailableError
   */
  async queryLocked<LockValues extends object, Values extends object, Row extends object>(
    lock: Locked<LockValues, object>,
    { statement, values }: Locked<Values, Row>,
    manager?: EntityManager,
  ): Promise<Row[]> {
    if (manager?.queryRunner) {
      await this.query(lock.statement, lock.values, { manager });
      return this.query(statement, values, { manager });
    }
    const queries = [this.queryOf(lock.statement, lock.values), this.queryOf(statement, values)];
    try {
      const send = () => transactPool(this.pool, queries, STATEMENT_TIMEOUT_MS, this.timers);
      return refuseReplica((await this.measured(statement.name, send))[1] as (Row & DatabaseColumns)[]);
    } catch (error) {
      throw this.translate(error, statement.name);
    }
  }

  /** Whether the wait for a connection of the pool is limited by the data source. */
  get limitsConnecting(): boolean {
    return Boolean(this.pool.options.connectionTimeoutMillis);
  }

  /**
   * A connection beside the pool: in a pool of one, a connection that listens would leave none for statements. It leads
   * to `revocation.listenUrl` if that is set.
   *
   * @param timeout milliseconds after which connecting and each statement fail
   */
  openConnection(timeout: number): OwnConnection {
    const { Client, options } = this.pool as unknown as {
      Client: new (config: ClientConfig) => OwnConnection;
      options: ClientConfig;
    };
    const limits = { connectionTimeoutMillis: timeout, query_timeout: timeout };
    const { listenUrl } = this.options.revocation;
    const address = listenUrl === undefined ? {} : { connectionString: listenUrl };
    return new Client({ ...options, ...limits, password: options.password, ...address, keepAlive: true });
  }

  /** A pool ends when its connections have ended, and one that is being opened without a time limit may never end. */
  async beforeApplicationShutdown(): Promise<void> {
    if (this.dataSource.isInitialized) await dropConnecting(this.pool, this.timers);
  }

  private sharedValues({ parameters }: Statement, values: object): object {
    if (!parameters.includes('bucket') || 'bucket' in values) return this.sender;
    const { processId, channel } = this.sender;
    return { processId, channel, bucket: bucketsOf(values) };
  }

  /** A transaction pooler, which the polling feed and `listenUrl` are for, gives each statement another connection. */
  private get prepares(): boolean {
    const { feed, listenUrl } = this.options.revocation;
    return feed === 'notify' && listenUrl === undefined;
  }

  private async join<Row extends object>(manager: EntityManager, query: QueryConfig, timeout: number): Promise<Row[]> {
    if (dataSourceOf(manager) !== this.dataSource) {
      throw new SessionUsageError(
        'The option "manager" belongs to another data source: begin the transaction on the one that SessionModule uses',
      );
    }
    const { rows } = await joinTransaction(
      manager.queryRunner!,
      connection => (connection as PoolClient).query<Row>(query),
      this.limit(timeout),
    );
    return rows;
  }

  private limit(milliseconds: number): TimeLimit {
    return { timers: this.timers, milliseconds, late: () => new SessionStoreUnavailableError() };
  }

  private get pool(): Pool {
    // TypeORM's query methods cannot prepare statements. CockroachDB's driver has the same pool.
    return (this.dataSource.driver as unknown as { master: Pool }).master;
  }

  private translate(error: unknown, name: string): unknown {
    if (error instanceof SessionUsageError) return error;
    if (error instanceof SessionError && !(error instanceof SessionStoreUnavailableError)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    this.logger.error(`${name} failed: ${codeOf(error)} ${reason}`);
    return isServerError(error) && !isUnavailable(error) ? error : new SessionStoreUnavailableError();
  }
}
