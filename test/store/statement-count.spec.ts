import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource, type EntityManager } from 'typeorm';
import type { SessionService } from 'nestjs-jwt-session';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { type Answer, CookieClient, REFRESH_COOKIE, send } from '../support/client.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { StatementLog } from '../support/statement-log.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const post = { method: 'POST' };

describe.each(PLATFORMS)('statements per request on %s', platform => {
  let test: TestApp;
  let log: StatementLog;
  let client: CookieClient;
  beforeAll(async () => {
    test = await startTestApp({ platform, ...PATIENTLY });
    log = new StatementLog(test.app);
  });
  afterAll(() => test?.close());
  beforeEach(async () => {
    client = new CookieClient(test.url);
    await client.logIn('ada');
    await test.app.get(RevocationFeed).poll();
    log.take();
  });

  it.each<[string, number, string[], () => Promise<Answer>]>([
    ['log-in', 200, ['jwt_session_create'], () => new CookieClient(test.url).logIn('ada')],
    ['log-in over an old session', 200, ['jwt_session_replace'], () => client.logIn('ada')],
    ['refresh', 200, ['jwt_session_rotate'], () => client.refresh()],
    ['log-out', 204, ['jwt_session_end_one'], () => client.send('/session/logout', post)],
    ['log-out of the others', 200, ['jwt_session_end_of_user'], () => client.send('/session/logout-others', post)],
    ['log-out everywhere', 200, ['jwt_session_end_of_user'], () => client.send('/session/logout-all', post)],
    ['list of devices', 200, ['jwt_session_list'], () => client.send('/session/devices')],
    ['own session', 200, [], () => client.send('/session')],
    ['guarded request', 200, [], () => client.send('/me')],
    ['guarded write', 200, [], () => client.send('/act', post)],
    ['guarded request without a session', 401, [], () => send(`${test.url}/me`)],
    ['refresh without a session', 401, [], () => send(`${test.url}/session/refresh`, post)],
    ['log-out without a session', 204, [], () => send(`${test.url}/session/logout`, post)],
    ['public keys', 200, [], () => send(`${test.url}/.well-known/jwks.json`)],
  ])('%s: status %i, statements %j', async (_, status, statements, request) => {
    expect((await request()).status).toBe(status);
    expect(log.take()).toEqual(statements);
  });

  it('ending one device takes one statement, whether or not it is the own', async () => {
    const other = new CookieClient(test.url);
    await other.logIn('grace');
    const { body } = await other.send('/session');
    log.take();
    const path = `/session/devices/${body.id as string}`;
    expect((await client.send(path, { method: 'DELETE' })).status).toBe(404);
    expect((await other.send(path, { method: 'DELETE' })).status).toBe(204);
    expect(log.take()).toEqual(['jwt_session_end_one', 'jwt_session_end_one']);
  });

  it('a guarded request makes none in a process that has never seen the token, and none once it has', async () => {
    const other = await startTestApp({ platform, database: test.database, clock: test.clock, ...PATIENTLY });
    try {
      const otherLog = new StatementLog(other.app);
      const headers = { authorization: `Bearer ${client.accessToken}` };
      expect((await send(`${other.url}/me`, { headers })).status).toBe(200);
      expect((await send(`${other.url}/me`, { headers })).status).toBe(200);
      expect(otherLog.take()).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('a refused access token makes none: expired, revoked or made up', async () => {
    await test.advance('11m');
    await test.app.get(RevocationFeed).poll();
    log.take();
    expect((await client.send('/me')).body.errorCode).toBe('access_token_expired');
    expect(log.take()).toEqual([]);

    await client.refresh();
    const copy = client.copy();
    await client.send('/session/logout', post);
    log.take();
    expect((await copy.send('/me')).body.errorCode).toBe('session_revoked');
    const headers = { authorization: 'Bearer made.up.token' };
    expect((await send(`${test.url}/me`, { headers })).body.errorCode).toBe('access_token_invalid');
    expect(log.take()).toEqual([]);
  });

  it('a refresh token with a wrong tag makes none, and harms nobody', async () => {
    const token = client.refreshToken;
    const flipped = [0, 30, 50, 91].map(
      at => token.slice(0, at) + (token[at] === 'A' ? 'E' : 'A') + token.slice(at + 1),
    );
    for (const refreshToken of ['', 'garbage', token.slice(0, -1), `${token}A`, ...flipped]) {
      const inBody = await send(`${test.url}/session/refresh`, { ...post, body: { refreshToken } });
      const cookie = `${REFRESH_COOKIE}=${refreshToken}`;
      const inCookie = await send(`${test.url}/session/refresh`, { ...post, headers: { cookie } });
      expect([inBody.body.errorCode, inCookie.body.errorCode]).toEqual(Array(2).fill('refresh_token_invalid'));
    }
    expect(log.take()).toEqual([]);
    expect((await client.refresh()).status).toBe(200);
  });

  it('R08: reading writes nothing, but one batch for all that is new', async () => {
    await client.refresh();
    log.take();
    await Promise.all(Array.from({ length: 20 }, () => client.send('/me')));
    expect(log.take()).toEqual([]);
    await test.confirmUses();
    expect(log.take()).toEqual(['jwt_session_confirm']);

    await Promise.all(Array.from({ length: 20 }, () => client.send('/me')));
    await test.confirmUses();
    expect(log.take()).toEqual([]);
  });

  it('R08: nor does the first request in another process touch a row whose token is confirmed', async () => {
    await client.refresh();
    await client.send('/me');
    await test.confirmUses();
    const writer = () =>
      test.database.query('SELECT id, xmin::text, xmax::text, ctid::text FROM jwt_session ORDER BY id');
    const before = await writer();
    const other = await startTestApp({ platform, database: test.database, clock: test.clock, ...PATIENTLY });
    try {
      const headers = { authorization: `Bearer ${client.accessToken}` };
      expect((await send(`${other.url}/me`, { headers })).status).toBe(200);
      await other.confirmUses();
      expect(await writer()).toEqual(before);
    } finally {
      await other.close();
    }
  });
});

describe('statements per call', () => {
  let test: TestApp;
  let log: StatementLog;
  let sessionId: string;
  beforeAll(async () => {
    test = await startTestApp({ typeorm: { poolSize: 1 }, ...PATIENTLY });
    log = new StatementLog(test.app);
  });
  afterAll(() => test?.close());
  beforeEach(async () => {
    sessionId = (await test.sessions.logIn('ada')).session.id;
    await test.app.get(RevocationFeed).poll();
    log.take();
  });

  const CALLS: [string, string, (sessions: SessionService, manager?: EntityManager) => Promise<unknown>][] = [
    ['logIn', 'create', (sessions, manager) => sessions.logIn('ada', { manager })],
    ['logOut', 'end_one', (sessions, manager) => sessions.logOut(sessionId, { manager })],
    [
      'logOutOthers',
      'end_of_user',
      (sessions, manager) => sessions.logOutOthers({ id: sessionId, userId: 'ada' }, { manager }),
    ],
    ['logOutAll', 'end_of_user', (sessions, manager) => sessions.logOutAll('ada', { manager })],
    ['getData', 'get_data', (sessions, manager) => sessions.getData(sessionId, { manager })],
    ['setData', 'set_data', (sessions, manager) => sessions.setData(sessionId, { step: 1 }, { manager })],
  ];

  it.each(CALLS)('%s: one, jwt_session_%s', async (_, statement, call) => {
    await call(test.sessions);
    expect(log.take()).toEqual([`jwt_session_${statement}`]);
  });

  it.each(CALLS)("%s: one, jwt_session_%s, in the caller's transaction", async (_, statement, call) => {
    await test.app.get(DataSource).transaction(manager => call(test.sessions, manager));
    expect(log.take()).toEqual(['START TRANSACTION', `jwt_session_${statement}`, 'COMMIT']);
  });

  it('verify: none; get and list: one each', async () => {
    const { accessToken, session } = await test.sessions.logIn('ada');
    log.take();
    await test.sessions.verify(accessToken!);
    expect(log.take()).toEqual([]);
    await test.sessions.get(session.id);
    await test.sessions.list('ada');
    expect(log.take()).toEqual(['jwt_session_get', 'jwt_session_list']);
  });

  it('what is malformed makes none', async () => {
    expect(await test.sessions.get('no uuid')).toBeNull();
    expect(await test.sessions.logOut('no uuid')).toBe(false);
    await expect(test.sessions.refresh({ refreshToken: 'garbage' })).rejects.toThrow('not a refresh token');
    await expect(test.sessions.logIn('')).rejects.toThrow('must not be empty');
    expect(log.take()).toEqual([]);
  });

  it('statements are prepared on the connection under their names, once', async () => {
    const { refreshToken } = await test.sessions.logIn('ada');
    for (let turn = 0; turn < 3; turn++) {
      await test.sessions.refresh({ refreshToken: refreshToken! });
      await test.sessions.list('ada');
    }
    await test.sessions.logOutAll('ada');
    const sent = new Set(log.take());
    const prepared = await test.app
      .get(DataSource)
      .query<{ name: string; plans: string }[]>(
        `SELECT name, generic_plans + custom_plans AS plans FROM pg_prepared_statements`,
      );
    expect(prepared.map(({ name }) => name)).toEqual(expect.arrayContaining([...sent]));
    expect(Number(prepared.find(({ name }) => name === 'jwt_session_rotate')!.plans)).toBeGreaterThanOrEqual(3);
  });
});
