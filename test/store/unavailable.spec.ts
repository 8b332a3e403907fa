import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, UseInterceptors } from '@nestjs/common';
import { SessionErrorInterceptor, SessionService } from 'nestjs-jwt-session';
import { DataSource } from 'typeorm';
import { isUnavailable } from '../../lib/common/database-errors.js';
import { type AppBehindProxy, startBehindProxy } from '../support/app-behind-proxy.js';
import { type Answer, CookieClient, send } from '../support/client.js';
import type { TestDatabase } from '../support/database.js';
import { untilWaiting } from '../support/races.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';

/** A route of the application that lets a refusal pass. */
@Controller()
@UseInterceptors(SessionErrorInterceptor)
class OwnController {
  constructor(private readonly sessions: SessionService) {}

  @Get('own')
  own() {
    return this.sessions.list('ada');
  }
}

const POST = { method: 'POST' };

function expectUnavailable(answer: Answer): void {
  expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' }, setCookie: [] });
  expect(answer.headers.get('retry-after')).toBe('1');
}

describe.each(PLATFORMS)('a database that cannot do it now is 503 with Retry-After, never 500, on %s', platform => {
  let started: AppBehindProxy;
  let database: TestDatabase;
  let proxy: TcpProxy;
  let test: TestApp;
  beforeAll(async () => {
    started = await startBehindProxy({
      platform,
      controllers: [OwnController],
      session: { session: { maxPerUser: 2 } },
    });
    ({ database, proxy, test } = started);
  });
  afterEach(() => proxy.restore());
  afterAll(() => started?.close());

  const logIn = async () => {
    const client = new CookieClient(test.url);
    expect((await client.logIn('ada')).status).toBe(200);
    return client;
  };

  it.each([
    ['XX000', 'its disk is full, and it cannot write what a connection needs'],
    ['53300', 'it has no connection left'],
    ['28P01', 'the password was changed'],
    ['28000', 'pg_hba.conf lets this machine in no longer'],
    ['3D000', 'the database is being restored under another name'],
    ['57P03', 'it starts up'],
    ['58P01', 'a file is missing'],
  ])('%s while connecting: %s', async code => {
    const client = await logIn();
    await proxy.refuseWith(code);
    expectUnavailable(await client.sendOnly('/session/refresh', POST));
    expectUnavailable(await client.sendOnly('/login', { ...POST, body: { userId: 'ada' } }));
    expectUnavailable(await send(`${test.url}/own`));
    await proxy.restore();
    expect((await client.refresh()).status).toBe(200);
  });

  it.each(['53100', '53200', '58030', '57014', '25006'])('%s at a statement', async code => {
    const client = await logIn();
    await database.query(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'it failed' USING ERRCODE = '${code}'; END $$;
      CREATE TRIGGER failing BEFORE INSERT OR UPDATE ON jwt_session EXECUTE FUNCTION fail();`);
    try {
      expectUnavailable(await client.sendOnly('/session/refresh', POST));
      expectUnavailable(await client.sendOnly('/login', { ...POST, body: { userId: 'ada' } }));
      expectUnavailable(await client.sendOnly('/session/logout', POST));
    } finally {
      await database.query('DROP TRIGGER failing ON jwt_session; DROP FUNCTION fail');
    }
    expect((await client.refresh()).status).toBe(200);
  });

  it('a connection that is lost in a transaction, while it waits for the lock of the user', async () => {
    const client = new CookieClient(test.url);
    await test.app.get(DataSource).transaction(async manager => {
      await test.sessions.logIn('grace', { manager });
      const waiting = client.sendOnly('/login', { ...POST, body: { userId: 'grace' } });
      await untilWaiting(database, 1);
      await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`);
      expectUnavailable(await waiting);
    });
    expect((await client.logIn('grace')).status).toBe(200);
    expect(await test.sessions.list('grace')).toHaveLength(2);
  });

  it.each(['53100', '40P01', '55P03'])('%s in a transaction: its connection is used again', async code => {
    const client = new CookieClient(test.url);
    await database.query(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'it failed' USING ERRCODE = '${code}'; END $$;
      CREATE TRIGGER failing BEFORE INSERT ON jwt_session EXECUTE FUNCTION fail();`);
    try {
      for (let time = 0; time < 3; time++) {
        expectUnavailable(await client.sendOnly('/login', { ...POST, body: { userId: code } }));
      }
    } finally {
      await database.query('DROP TRIGGER failing ON jwt_session; DROP FUNCTION fail');
    }
    expect((await client.logIn(code)).status).toBe(200);
    expect(
      await database.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
      ),
    ).toEqual([]);
    expect(await test.sessions.list(code)).toHaveLength(1);
  });
});

describe('what counts as a database that cannot do it now', () => {
  const error = (fields: object, message = 'refused') => Object.assign(new Error(message), fields);

  it.each([
    error({ code: 'XX001', severity: 'PANIC' }),
    error({ code: 'XX000', severity: 'FATAL' }),
    error({ code: '08P01' }),
    error({ code: '40001' }),
    error({ code: 'ECONNRESET' }),
    error({}, 'Query runner already released. Cannot run queries anymore.'),
    error({}, 'Connection terminated unexpectedly'),
    error({}, 'timeout exceeded when trying to connect'),
  ])('%p does', failure => expect(isUnavailable(failure)).toBe(true));

  it.each([
    error({ code: 'XX000', severity: 'ERROR' }),
    error({ code: '42P01' }),
    error({ code: '23505' }),
    'text',
    null,
  ])('%p does not: repeating does not help', failure => expect(isUnavailable(failure)).toBe(false));
});
