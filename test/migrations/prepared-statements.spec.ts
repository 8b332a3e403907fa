import { Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  Exchange,
  KnownDevices,
  SESSION_MIGRATIONS,
  SessionExchange,
  SessionGuard,
  type SessionModuleOptions,
  SessionService,
} from 'nestjs-jwt-session';
import { send } from '../support/client.js';
import { DbscBrowser } from '../support/dbsc-browser.js';
import { DpopClient } from '../support/dpop-client.js';
import { dataSourceOn } from '../support/data-source.js';
import { StatementLog } from '../support/statement-log.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { NestjsJwtSession2000000000000 } from './next-version.js';

const STORE = new URL('../../lib/store/', import.meta.url);

/**
 * Statements of the start, those that repair the database after a failover which has lost something, and those of
 * distributed tables alone.
 */
const RARE = /^jwt_session_(schema_check|table_id|restore_\w+|read_auth|limit_idle)$/;

/** The names of all other prepared statements. */
const DECLARED = readdirSync(STORE)
  .filter(file => file.endsWith('.ts'))
  .flatMap(file => [...readFileSync(new URL(file, STORE), 'utf8').matchAll(/'(jwt_session_\w+)',/g)])
  .map(([, name]) => name!)
  .filter(name => !RARE.test(name));

@Controller()
class SupportController {
  constructor(private readonly sessions: SessionService) {}

  @Post('back')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  back(@Exchange() exchange: SessionExchange) {
    return this.sessions.endImpersonation(exchange);
  }
}

/** Of sessions that are bound to keys. */
async function useKeys({ url, sessions, confirmUses }: TestApp, user: string): Promise<void> {
  const browser = await DbscBrowser.at(url);
  await browser.bind(user, confirmUses);
  expect((await browser.prove()).status).toBe(204);

  const path = '/session/refresh';
  const clients = await Promise.all([1, 2, 3].map(() => DpopClient.of(url)));
  for (const [number, client] of clients.entries())
    expect((await client.logIn(`${user} with key ${number}`)).status).toBe(200);
  // In one turn: the first goes alone, the others share a statement.
  const exchanges = clients.map(async client => {
    const headers = { host: new URL(url).host, dpop: await client.proof('POST', path) };
    const body = { refreshToken: client.refreshToken };
    return new SessionExchange({ method: 'POST', url: path, headers, body });
  });
  const refreshed = (await Promise.all(exchanges)).map(exchange => sessions.refresh(exchange));
  for (const { tokenType } of await Promise.all(refreshed)) expect(tokenType).toBe('DPoP');
}

async function impersonate({ url, sessions }: TestApp, actor: string, user: string): Promise<void> {
  const { session } = await sessions.logIn(actor);
  const { accessToken } = await sessions.impersonate(session, user);
  const back = await send(`${url}/back`, { method: 'POST', headers: { authorization: `Bearer ${accessToken}` } });
  expect(back.status).toBe(200);
}

/** Of a session whose last rotation the database has lost. */
async function recover({ sessions, database, advance, confirmUses }: TestApp, user: string): Promise<void> {
  const { session, refreshToken } = await sessions.logIn(user);
  await database.query(`CREATE TABLE backup AS SELECT * FROM jwt_session WHERE id = '${session.id}'`);
  await advance('1m');
  const rotated = await sessions.refresh({ refreshToken: refreshToken! });
  await sessions.verify(rotated.accessToken!);
  await confirmUses();
  await database.query(`DELETE FROM jwt_session WHERE id = '${session.id}'`);
  await database.query('INSERT INTO jwt_session SELECT * FROM backup');
  await database.query('DROP TABLE backup');
  await sessions.refresh({ refreshToken: rotated.refreshToken!, accessToken: rotated.accessToken! });
}

/** Does everything for which there is a statement. */
async function useAll(test: TestApp, user: string): Promise<void> {
  const { sessions, advance, confirmUses } = test;
  const logIn = () => sessions.logIn(user, { claims: { role: 'user' }, data: { theme: 'dark' } });
  const refresh = (token: { refreshToken?: string }) => sessions.refresh({ refreshToken: token.refreshToken! });

  // The first of each goes alone, the others share a statement.
  const users = [1, 2, 3].map(number => `${user} ${number}`);
  const together = await Promise.all(users.map(each => sessions.logIn(each)));
  await Promise.all(together.map(refresh));
  await Promise.all(together.map(({ session }) => sessions.logOut(session.id)));
  await Promise.all(users.map(each => sessions.logOutAll(each)));

  const first = await logIn();
  const second = await refresh(first);
  await sessions.verify(second.accessToken!);
  await confirmUses();
  await refresh(first);
  await sessions.setData(first.session.id, { theme: 'light' });
  await sessions.getData(first.session.id);
  await sessions.export(user);
  await sessions.erase(`${user} 1`);
  await sessions.setClaims(first.session.id, { role: 'admin' });
  await sessions.get(first.session.id);
  await advance('1m');
  const third = await refresh(await refresh(second));
  await expect(refresh(first)).rejects.toMatchObject({ errorCode: 'token_theft_detected' });
  await expect(sessions.verify(third.accessToken!)).rejects.toMatchObject({ errorCode: 'token_theft_detected' });

  const { session: former, accessToken } = await logIn();
  const exchange = new SessionExchange({ headers: { authorization: `Bearer ${accessToken}` } });
  const { session } = await sessions.logIn(user, { exchange });
  expect(session.id).not.toBe(former.id);
  const owner = `${user} on a device`;
  const stranger = new SessionExchange({ headers: {} });
  const { deviceToken = '' } = await sessions.logIn(owner, {
    exchange: stranger,
    recognise: true,
    transport: 'bearer',
  });
  const device = new SessionExchange({ headers: { 'session-device': deviceToken } });
  const devices = test.app.get(KnownDevices);
  expect(await devices.recognise(owner, device)).not.toBeNull();
  await devices.list(owner);
  await devices.forget(owner, { except: device });
  await logIn();
  const { session: renewed } = await sessions.reauthenticate(session);
  await sessions.list(user);
  await impersonate(test, `${user} 2`, user);
  await useKeys(test, user);
  await recover(test, `${user} 3`);
  await sessions.logOutOthers(renewed);
  await sessions.logOut(renewed.id);
  // The hook, where there is one, gives claims that cannot be kept.
  await sessions.logIn(user, { claims: { unfit: true } }).catch(() => undefined);
  await sessions.invalidateTokens(user, 'access');
  await sessions.invalidateTokens(user, 'refresh');
  await sessions.rotateKeys();
  await sessions.rotateKeys({ distrust: true });
  await sessions.cleanUp({ dryRun: true });
  await sessions.cleanUp();
  await sessions.status();
  await advance('1m');
}

describe('statements that were prepared before a migration', () => {
  const seen = new Set<string>();
  const logins = { count: 0 };

  it.each<[string, SessionModuleOptions]>([
    ['by default', {}],
    [
      'with a limit, claims of a hook, and strictly',
      {
        session: { maxPerUser: 2 },
        revocation: { mode: 'strict' },
        claims: ({ claims }) => (claims.unfit ? { sub: 'nobody' } : { ...claims, login: logins.count++ }),
      },
    ],
  ])('work after it on the same connection: %s', async (_, session) => {
    const test = await startTestApp({
      // The clock of the application runs ahead of that of proofs.
      session: { ...session, binding: { key: 'prefer' }, keyBinding: { dpop: { proofLifetime: '10m' } } },
      controllers: [SupportController],
      typeorm: { extra: { max: 1 } },
    });
    const log = new StatementLog(test.app);
    await useAll(test, 'ada');
    const before = new Set(log.take());

    const migrations = [...SESSION_MIGRATIONS, NestjsJwtSession2000000000000];
    const dataSource = await dataSourceOn(test.database, { migrations }).initialize();
    await dataSource.runMigrations();
    await dataSource.destroy();

    await useAll(test, 'grace');
    for (const statement of log.take()) if (before.has(statement)) seen.add(statement);
    await test.close();
  });

  it('are all there are', () => {
    expect(DECLARED.filter(name => !seen.has(name))).toEqual([]);
    expect(DECLARED.length).toBeGreaterThan(20);
  });
});
