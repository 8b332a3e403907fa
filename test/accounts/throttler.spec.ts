import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { TestDatabase } from '../support/database.js';
import { SECRET } from '../support/test-app.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

// The built package, because Jest cannot load @nestjs/throttler, which is CommonJS and requires Nest, which is not.
const script = `
  import { Controller, Get, Module, UseGuards } from '@nestjs/common';
  import { NestFactory } from '@nestjs/core';
  import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
  import { TypeOrmModule } from '@nestjs/typeorm';
  import { SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';
  import { ACCOUNT_MIGRATIONS, AccountModule, AttemptStore } from 'nestjs-jwt-session/accounts';

  class ThrottledController { get() { return {}; } }
  Get()(ThrottledController.prototype, 'get', Object.getOwnPropertyDescriptor(ThrottledController.prototype, 'get'));
  Controller('throttled')(ThrottledController);
  UseGuards(ThrottlerGuard)(ThrottledController);

  const start = async () => {
    class Application {}
    Module({
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres', url: process.env.URL, autoLoadEntities: true,
          migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS], migrationsRun: true,
        }),
        SessionModule.forRoot({ secret: process.env.SECRET }),
        AccountModule.forRoot({ baseUrl: 'http://localhost', mail: { from: 'x@localhost', smtp: 'smtp://localhost' } }),
        ThrottlerModule.forRootAsync({
          inject: [AttemptStore], useFactory: storage => ({ storage, throttlers: [{ ttl: 60_000, limit: 3 }] }),
        }),
      ],
      controllers: [ThrottledController],
    })(Application);
    const app = await NestFactory.create(Application, { logger: false });
    await app.listen(0, '127.0.0.1');
    return app;
  };
  const apps = [await start(), await start()];
  const codes = [];
  for (let n = 0; n < 5; n++) codes.push((await fetch(await apps[n % 2].getUrl() + '/throttled')).status);
  console.log(codes.join(' '));
  for (const app of apps) await app.close();
`;

it('an application may count its own routes in AttemptStore, through @nestjs/throttler and for all processes', async () => {
  const database = await TestDatabase.create();
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', URL: database.url, SECRET },
    timeout: 50_000,
  });
  expect(stdout).toBe('200 200 200 429 429\n');
  await database.drop();
});
