import type { Statement } from '../common/statement.js';
import type { Database, Locked, QueryContext } from './database.js';
import { rowOf, type valuesOf } from './session-insert.js';
import type { buildSessionStatements } from './session.statements.js';
import type { CreatedRow } from './session.store.js';
import type { SessionRow, TimedRow, WithDeadline } from './sql-fragments.js';

type Values = ReturnType<typeof valuesOf>;

/** The values of a login, and of the session that it replaces. */
export interface ReplacingValues extends Omit<Values, 'claims'>, WithDeadline {
  readonly claims: string | undefined;
  readonly replaces: string | undefined;
  readonly replacedBucket?: number | undefined;
}

type UserLock = Locked<{ userId: string; idleLimit: string | undefined }, object>;

/** What a statement that ends sessions before a login answers. */
interface EndedRow extends TimedRow {
  /** Whether the session may be inserted. */
  readonly allowed: boolean;
  readonly ended: { id: string; reason: string }[] | null;
  /** The session whose values the new one has where none are given. */
  readonly former: FormerValues | null;
}

interface FormerValues {
  readonly claims: string;
  readonly data: string | null;
  readonly label: string | null;
  readonly remember: boolean | null;
  readonly idleLifetime: number | null;
  readonly absoluteLifetime: number | null;
}

/**
 * Logins where an engine distributes the tables. What is one statement on one machine is a transaction of several here,
 * each about the rows of one bucket:
 *
 * | login | statements |
 * |---|---|
 * | alone | the user's versions, the insert |
 * | that replaces a session | its end, the versions, the insert |
 * | within a limit | the lock, the ends of the oldest and of the replaced session, the versions, the insert |
 *
 * An invalidation between the versions and the insert invalidates the new session as well.
 */
export class DistributedLogIn {
  constructor(
    private readonly database: Database,
    private readonly sql: () => ReturnType<typeof buildSessionStatements>,
  ) {}

  async insert(values: Values, context: QueryContext): Promise<SessionRow> {
    const [auth] = await this.database.query(this.sql().readAuth, { userId: values.userId }, context);
    const { refresh_auth_uuid: refreshAuthUuid, access_version } = auth!;
    const [minted] = await this.database.query(this.sql().create, { ...values, refreshAuthUuid }, context);
    return rowOf(values, { ...minted!, access_version });
  }

  /** Ends sessions and inserts one: by the statement alone on one machine, else by it and others. */
  endAndInsert<Given extends ReplacingValues>(
    statement: Statement<Given, CreatedRow>,
    values: NoInfer<Given>,
    { manager, lock }: QueryContext & { readonly lock?: UserLock },
  ): Promise<CreatedRow[]> {
    if (!this.database.isDistributed) {
      return lock
        ? this.database.queryLocked(lock, { statement, values }, manager)
        : this.database.query(statement, values, { manager });
    }
    return this.database.transaction(async joined => {
      const { replaces, replacedBucket, deadline } = values;
      if (lock) await this.lock(lock, joined);
      const ended = await this.end(statement, values, joined);
      const none = { id: null, ended: null, late: ended.late, now_ms: ended.now_ms } as unknown as CreatedRow;
      if (!ended.allowed) return [none];
      const sessions = [...(ended.ended ?? [])];
      if (replaces !== undefined && statement.name === this.sql().createWithin.name) {
        const replaced = { ...values, claims: '', replaces, replacedBucket: replacedBucket ?? values.bucket, deadline };
        sessions.push(...((await this.end(this.sql().replace, replaced, joined)).ended ?? []));
      }
      const row = await this.insert(withFormer(values, ended.former), joined);
      return [{ ...row, late: false, ended: sessions }];
    }, manager);
  }

  /** The time limit of the idle transaction is set on the machine that the application is connected to as well. */
  private async lock({ statement, values }: UserLock, context: QueryContext): Promise<void> {
    await this.database.query(statement, values, context);
    const { idleLimit } = values;
    if (idleLimit !== undefined) await this.database.query(this.sql().limitIdle, { idleLimit }, context);
  }

  private async end<Given extends object>(
    statement: Statement<Given, CreatedRow>,
    values: NoInfer<Given>,
    context: QueryContext,
  ): Promise<EndedRow> {
    const [row] = await this.database.query(statement as unknown as Statement<Given, EndedRow>, values, context);
    return row!;
  }
}

function withFormer(values: ReplacingValues, former: FormerValues | null): Values {
  return {
    ...values,
    claims: values.claims ?? former?.claims ?? '{}',
    data: values.data ?? former?.data ?? undefined,
    label: values.label ?? former?.label ?? undefined,
    remember: values.remember ?? former?.remember ?? undefined,
    idleLifetime: values.idleLifetime ?? former?.idleLifetime ?? undefined,
    absoluteLifetime: values.absoluteLifetime ?? former?.absoluteLifetime ?? undefined,
  };
}
