import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { SessionModule, SessionService } from 'nestjs-jwt-session';
import { startApplication, typeOrmOn } from '../support/application.js';
import { send } from '../support/client.js';
import { allConnectionsEnded } from '../support/data-source.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS, SECRET } from '../support/test-app.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('without an HTTP server', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());

  function moduleOn(): Type<unknown> {
    @Module({ imports: [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET })] })
    class ContextModule {}
    return ContextModule;
  }

  it.each<[string, () => Promise<INestApplicationContext>]>([
    ['createApplicationContext', () => NestFactory.createApplicationContext(moduleOn(), { logger: false })],
    ['a bare testing module', async () => (await Test.createTestingModule({ imports: [moduleOn()] }).compile()).init()],
  ])('%s logs in, refreshes, lists, verifies and logs out, and closes', async (_, create) => {
    const context = await create();
    const sessions = context.get(SessionService);
    const { session, refreshToken, accessToken } = await sessions.logIn('ada');
    expect((await sessions.verify(accessToken!)).id).toBe(session.id);
    await sessions.refresh({ refreshToken: refreshToken! });
    expect(await sessions.list('ada')).toHaveLength(1);
    expect(await sessions.logOutAll('ada')).toBe(1);
    await context.close();
    // Nothing keeps the process from ending; an open connection makes this test time out.
    await allConnectionsEnded(database);
  });
});

describe('a process that closed its application', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());

  // The built package, as users run it, with a confirmation under way when the application closes.
  const script = `
    import { Module } from '@nestjs/common';
    import { NestFactory } from '@nestjs/core';
    import { TypeOrmModule } from '@nestjs/typeorm';
    import { SESSION_MIGRATIONS, SessionModule, SessionService } from 'nestjs-jwt-session';
    const imports = [
      TypeOrmModule.forRoot({
        type: 'postgres', url: process.env.URL, autoLoadEntities: true, migrations: [...SESSION_MIGRATIONS],
        migrationsRun: true,
      }),
      SessionModule.forRoot({ secret: process.env.SECRET }),
    ];
    class Application {}
    Module({ imports })(Application);
    const app = await NestFactory.create(Application, { logger: false });
    await app.listen(0, '127.0.0.1');
    const sessions = app.get(SessionService);
    const { refreshToken } = await sessions.logIn('ada');
    const { accessToken } = await sessions.refresh({ refreshToken });
    await sessions.verify(accessToken);
    await app.close();
    console.log('closed');
  `;

  it('ends by itself, and has written the last confirmation', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '', URL: database.url, SECRET },
      timeout: 50_000,
    });
    expect(stdout).toBe('closed\n');
    expect(await database.query('SELECT generation FROM jwt_session')).toEqual([{ generation: 1 }]);
  });
});

describe.each(PLATFORMS)('applications on %s', platform => {
  const started = (database: TestDatabase, secret: string) =>
    startApplication({ platform, imports: [typeOrmOn(database), SessionModule.forRoot({ secret })] });

  it('on databases of their own in one process do not disturb each other', async () => {
    const databases = await Promise.all([TestDatabase.create(), TestDatabase.create()]);
    const [one, two] = await Promise.all(databases.map((database, n) => started(database, `${SECRET}-${n}`)));
    const sessions = [one, two].map(({ app }) => app.get(SessionService));
    const [ofOne, ofTwo] = await Promise.all(sessions.map(service => service.logIn('ada')));

    await expect(sessions[1].verify(ofOne.accessToken!)).rejects.toMatchObject({ errorCode: 'access_token_invalid' });
    await expect(sessions[1].refresh({ refreshToken: ofOne.refreshToken! })).rejects.toMatchObject({
      errorCode: 'refresh_token_invalid',
    });
    await sessions[0].logOutAll('ada');
    await one.app.close();
    await expect(sessions[1].verify(ofTwo.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
    await expect(sessions[1].refresh({ refreshToken: ofTwo.refreshToken! })).resolves.toBeDefined();
    await two.app.close();
    await Promise.all(databases.map(database => database.drop()));
  });

  it('that start again on their database continue with its sessions and keys', async () => {
    const database = await TestDatabase.create();
    const before = await started(database, SECRET);
    const { session, accessToken, refreshToken } = await before.app.get(SessionService).logIn('ada');
    const keys = (await send(`${before.url}/.well-known/jwks.json`)).body;
    await before.app.close();

    const after = await started(database, SECRET);
    const headers = { authorization: `Bearer ${accessToken}` };
    expect((await send(`${after.url}/session`, { headers })).body).toMatchObject({ id: session.id });
    expect((await send(`${after.url}/.well-known/jwks.json`)).body).toEqual(keys);
    const refresh = await send(`${after.url}/session/refresh`, { method: 'POST', body: { refreshToken } });
    expect(refresh.status).toBe(200);
    await after.app.close();
    await database.drop();
  });
});
