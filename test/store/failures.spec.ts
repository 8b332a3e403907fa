import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const POST = { method: 'POST' };

describe.each(PLATFORMS)('a database that refuses, on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, typeorm: { extra: { options: '-c lock_timeout=100' } } });
  });
  afterAll(() => test?.close());

  it('503 where a lock does not come within lock_timeout: repeating is safe', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const other = new Client(test.database.url);
    await other.connect();
    try {
      await other.query("BEGIN; UPDATE jwt_session SET label = 'locked'");
      const answer = await client.sendOnly('/session/refresh', POST);
      expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' }, setCookie: [] });
      await other.query('ROLLBACK');
    } finally {
      await other.end();
    }
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it('a full disk costs no connection: the database may refuse new ones', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('lin');
    await test.database.query(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON jwt_session EXECUTE FUNCTION fail();`);
    const connections = () =>
      test.database.query(`SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() ORDER BY pid`);
    const before = await connections();
    try {
      expect(await client.sendOnly('/session/refresh', POST)).toMatchObject({ status: 503 });
      expect(await connections()).toEqual(before);
    } finally {
      await test.database.query('DROP TRIGGER full_disk ON jwt_session; DROP FUNCTION fail');
    }
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it('a session that was ended by hand, without a reason, has ended', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('grace');
    await test.database.query("UPDATE jwt_session SET revoked_at = now() WHERE user_id = 'grace'");
    const refused = { status: 401, body: { errorCode: 'session_revoked' } };
    expect(await client.sendOnly('/session/refresh', POST)).toMatchObject(refused);

    const polled = new CookieClient(test.url);
    await polled.logIn('mary');
    await test.database.query("UPDATE jwt_session SET revoked_at = now() WHERE user_id = 'mary'");
    await test.app.get(RevocationFeed).poll();
    expect(await polled.sendOnly('/me')).toMatchObject(refused);
    expect(test.events).toContainEqual(
      expect.objectContaining({ type: 'session.revoked', reason: 'revoked', source: 'remote' }),
    );
  });

  it('says which statement failed and why, where nobody else does', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    await test.database.query('ALTER TABLE jwt_session_user_auth RENAME TO elsewhere');
    try {
      await test.app.get(RevocationFeed).poll();
    } finally {
      await test.database.query('ALTER TABLE elsewhere RENAME TO jwt_session_user_auth');
    }
    const lines = errors.mock.calls.map(([line]) => String(line));
    errors.mockRestore();
    expect(lines).toContainEqual(
      expect.stringMatching(/^jwt_session_revocation_poll failed: 42P01 .*jwt_session_user_auth/),
    );
  });
});
