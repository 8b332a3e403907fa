import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { findBinaries } from '../../lib/schematics/database/binaries.js';
import type { EmbeddedPostgres } from '../../lib/schematics/database/embedded-postgres.js';
import { startTemporaryPostgres } from '../../lib/schematics/database/temporary-postgres.js';
import { TestDatabase } from '../support/database.js';
import { me, untilListening } from '../support/revocation.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

/** The code of what a commit answers when the notification queue is full: program_limit_exceeded. */
const FULL = '54000';

describe('a full notification queue', () => {
  let server: EmbeddedPostgres;
  let database: TestDatabase;
  let here: TestApp;
  let there: TestApp;
  let sleeper: Client;
  beforeAll(async () => {
    // A server of its own: its queue has 64 pages instead of a million, and belongs to all of its databases.
    server = await startTemporaryPostgres(findBinaries(process.cwd()), ['max_notify_queue_pages=64']);
    database = await TestDatabase.create(server.url);
    here = await startTestApp({ database });
    there = await startTestApp({ database, clock: here.clock });
    sleeper = new Client({ connectionString: database.url });
    await sleeper.connect();
  });
  afterAll(async () => {
    await sleeper?.end();
    await there?.close();
    await here?.close();
    await server?.stop();
  });

  /** Somebody listens within a transaction that does not end, while others have much to tell. */
  async function fill(): Promise<void> {
    await sleeper.query('LISTEN anything');
    await sleeper.query('BEGIN');
    const chatter = `SELECT pg_notify('anything', repeat('x', 7000) || n) FROM generate_series(1, 10) AS n`;
    await expect(
      (async () => {
        for (;;) await database.query(chatter);
      })(),
    ).rejects.toMatchObject({ code: FULL });
  }

  it('revoking works all the same, and is in force elsewhere after a poll', async () => {
    await Promise.all([untilListening(here), untilListening(there)]);
    const [ended, invalidated] = await Promise.all([here.sessions.logIn('ada'), here.sessions.logIn('grace')]);
    await fill();

    expect(await here.sessions.logOut(ended.session.id)).toBe(true);
    await here.sessions.invalidateTokens('grace', 'access');
    await here.clock.advance('11s');
    await until(async () => (await me(there, ended.accessToken!)) === 'session_revoked');
    await until(async () => (await me(there, invalidated.accessToken!)) === 'access_token_invalid');

    // The echo that does not come back tells that nothing does.
    await there.advance('11s');
    await until(async () => there.events.some(({ type }) => type === 'revocation.degraded'));
    await sleeper.query('COMMIT');
    await until(async () => (await there.sessions.status()).revocation.listening);
    expect(there.events).toContainEqual({ type: 'revocation.recovered' });
  });
});
