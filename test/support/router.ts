import type { DataSource } from 'typeorm';
import type { Statement } from '../../lib/common/statement.js';
import { bucketOfSession, bucketOfUser } from '../../lib/rules/bucket.js';
import { Database, type QueryContext } from '../../lib/store/database.js';
import { StoreLoad } from '../../lib/store/store-load.js';
import { ResolvedSessionOptions } from '../../lib/options/resolve-options.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { DatabaseClock } from '../../lib/store/database-clock.js';
import type { TestApp } from './test-app.js';

type Query = (statement: Statement, values: object, context?: QueryContext) => Promise<object[]>;

interface Placed {
  readonly bucket?: unknown;
  readonly replacedBucket?: number;
  readonly sessionId?: string | string[];
  readonly userId?: string;
}

/** What an engine that distributes the tables does: a statement runs in the database of its bucket alone. */
export function distribute({ app }: TestApp, others: readonly DataSource[]): void {
  const first = app.get(Database);
  const parts = [ResolvedSessionOptions, SessionTimers, DatabaseClock, StoreLoad].map(part => app.get<unknown>(part));
  const [options, timers, clock, load] = parts as [ResolvedSessionOptions, SessionTimers, DatabaseClock, StoreLoad];
  const databases = [first, ...others.map(source => new Database(source, options, timers, clock, load))];
  const queries = databases.map(database => database.query.bind(database) as unknown as Query);
  const send: Query = async (statement, values, { timeout } = {}) => {
    const bucket = bucketOf(statement, values);
    if (bucket !== undefined) return queries[bucket % queries.length]!(statement, values, { timeout });
    if (!statement.name.endsWith('_poll')) return queries[0]!(statement, values, { timeout });
    const polled = await Promise.all(queries.map(query => query(statement, values, { timeout })));
    const rows = polled.map(([row]) => row as Record<string, unknown[] | null>);
    const lists = ['sessions', 'users', 'claims'].map(kind => [kind, rows.flatMap(row => row[kind] ?? [])]);
    return [{ ...rows[0], ...Object.fromEntries(lists) }];
  };
  // There is no transaction over three databases here: each statement commits by itself.
  Object.assign(first, { query: send, transaction: (run: (joined: QueryContext) => unknown) => run({}) });
}

function bucketOf({ name, parameters }: Statement, values: Placed): number | undefined {
  if (name === 'jwt_session_replace') return values.replacedBucket;
  if (!parameters.includes('bucket')) return undefined;
  const { bucket = values.sessionId ? bucketOfSession([values.sessionId].flat()[0]!) : bucketOfUser(values.userId!) } =
    values;
  const [only, ...more] = [bucket].flat() as number[];
  if (more.length > 0) throw new Error(`${name} is about several buckets`);
  return only;
}
