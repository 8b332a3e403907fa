import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SESSION_ENTITIES, SessionEntity } from 'nestjs-jwt-session';
import { findBinaries } from '../../lib/schematics/database/binaries.js';
import type { EmbeddedPostgres } from '../../lib/schematics/database/embedded-postgres.js';
import { startTemporaryPostgres } from '../../lib/schematics/database/temporary-postgres.js';
import { allConnectionsEnded, dataSourceOn } from '../support/data-source.js';
import { TestDatabase } from '../support/database.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const LOGINS = 20;
const ROUNDS = 15;

// An update that touches no index writes one tuple on the same page: with an index on a column that refreshing changes,
// or full pages, each refresh would write to every index and leave dead tuples for vacuum.
describe('refreshing', () => {
  let server: EmbeddedPostgres;
  let test: TestApp;
  beforeAll(async () => {
    // A server of its own: dead tuples stay, and fill the page, while a transaction of any database that began before
    // them is under way, an analysis by autovacuum included.
    server = await startTemporaryPostgres(findBinaries(process.cwd()), ['autovacuum=off']);
    // Nor do polls begin one meanwhile.
    test = await startTestApp({ ...PATIENTLY, database: await TestDatabase.create(server.url) });
  });
  afterAll(async () => {
    await test?.close();
    await server?.stop();
  });

  async function updates(): Promise<{ all: number; heapOnly: number }> {
    const [row] = await test.database.query<{ all: number; heapOnly: number }>(
      `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS "heapOnly" FROM pg_stat_user_tables
       WHERE relname = 'jwt_session'`,
    );
    return row!;
  }

  it('updates stay heap-only', async () => {
    const logins = await Promise.all(Array.from({ length: LOGINS }, (_, n) => test.sessions.logIn(`user-${n}`)));
    let tokens = logins.map(({ refreshToken }) => refreshToken!);
    for (let round = 0; round < ROUNDS; round++) {
      await test.clock.advance('11m');
      const refreshed = [];
      // One after the other: what a statement that is under way can still see stays on its page, and fills it.
      for (const refreshToken of tokens) refreshed.push(await test.sessions.refresh({ refreshToken }));
      tokens = refreshed.map(({ refreshToken }) => refreshToken!);
    }
    // Each backend reports its counters when its connection ends.
    await test.app.close();
    await allConnectionsEnded(test.database);
    const { all, heapOnly } = await updates();
    expect(all).toBeGreaterThanOrEqual(LOGINS * ROUNDS);
    expect(heapOnly / all).toBeGreaterThan(0.9);
  });

  it('changes no column that has an index', async () => {
    const dataSource = dataSourceOn(test.database);
    await dataSource.initialize();
    const indexed = SESSION_ENTITIES.flatMap(entity => dataSource.getMetadata(entity))
      .filter(({ target }) => target === SessionEntity)
      .flatMap(({ indices }) => indices.flatMap(({ columns }) => columns.map(({ databaseName }) => databaseName)));
    await dataSource.destroy();
    expect(indexed.sort()).toEqual(['actor_session_id', 'claims_changed_at', 'id', 'id', 'revoked_at', 'user_id']);
  });
});
