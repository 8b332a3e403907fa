import { NestjsJwtSession1764547200000 } from './1764547200000-jwt-session.js';
import { NestjsJwtSession1764600000000 } from './1764600000000-known-devices.js';

// During a rolling update the code of the last release runs on the tables of the next one. Hence, for each new
// migration:
//
// - It only adds: columns that are nullable or have a constant default, tables, indexes that are not unique. What code
//   no longer uses is renamed, dropped or made stricter in a later release, when no process runs that still names it.
// - It fills in no rows: that would lock them all. Code fills a row in when it next writes it.
// - It waits for a lock only briefly (`lock_timeout`, set back afterwards, because an application's own migrations may
//   follow in the same transaction): a statement that waits for a table's lock holds up every refresh behind it. A
//   migration that gives up has changed nothing, and is tried again.
// - It leaves alone what is there already (IF NOT EXISTS): `synchronize` may have made it, or an operator, as for an index
//   on a large table, which only CREATE INDEX CONCURRENTLY makes without holding up writers. That runs in no transaction,
//   and TypeORM's default is one for all migrations; so the release notes say the statement, to be run before the update.
// - Once released it is neither edited nor renamed. `test/migrations/` compares it with a recording of its result, and
//   `next-version.ts` there shows a migration after these rules.

/** The module's migrations: `migrations: [...SESSION_MIGRATIONS, …]`. Their names never change. */
export const SESSION_MIGRATIONS = [NestjsJwtSession1764547200000, NestjsJwtSession1764600000000];
