import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { TypeOrmModule } from '@nestjs/typeorm';
import { metrics } from '@opentelemetry/api';
import type { Request, Response } from 'express';
import expressSession from 'express-session';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  RefreshTokenInvalidError,
  SESSION_MIGRATIONS,
  SessionAuthenticator,
  SessionModule,
  type UserSession,
} from 'nestjs-jwt-session';
import { createSessionFetch } from 'nestjs-jwt-session/client';
import ts from 'typescript';
import { freePort } from '../../lib/schematics/database/free-port.js';
import { CookieClient, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { fetchJwks } from '../support/jwks.js';
import { me } from '../support/revocation.js';
import { SampleProcess } from '../support/sample-process.js';
import { SECRET, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { until } from '../support/until.js';
import { blockUnder, CODE_BLOCKS, nameOf } from './pages.js';
import { distrustKeys } from './recipes/distrust-keys.js';
import { loadOnServer } from './recipes/load-on-server.js';
import { MessageGuard } from './recipes/message.guard.js';
import { FormerSessions, MovingController } from './recipes/moving.controller.js';
import { REDACTED_PATHS } from './recipes/pino-redaction.js';
import { storageIn } from './recipes/secure-storage.js';

// Fastify's logger.
const PINO: string = 'pino';

const OPERATING = 'docs/operating.md';
const OTHER_TOOLS = 'docs/with-other-tools.md';

describe('what the documentation tells people to do', () => {
  let apps: TestApps;
  let database: TestDatabase;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on('express');
    test = await apps.start({ typeorm: { extra: { allowExitOnIdle: true } } });
    ({ database } = test);
  });
  afterAll(() => apps?.close());

  const logIn = async (userId = 'ada') => {
    const { accessToken, refreshToken } = await test.sessions.logIn(userId, { transport: 'bearer' });
    return { accessToken: accessToken!, refreshToken: refreshToken! };
  };

  it.each([
    [OPERATING, 'Which metrics do I collect?', 'telemetry.ts'],
    [OPERATING, 'A signing key leaked: what now?', 'distrust-keys.ts'],
    ['docs/coming-from.md', 'How do I move users without logging everybody out?', 'moving.controller.ts'],
    ['docs/integrating.md', 'How do I guard messages between services?', 'message.guard.ts'],
    [OTHER_TOOLS, 'How do I render on the server with Next or another SSR?', 'load-on-server.ts'],
    [OTHER_TOOLS, 'How do I use it with axios, ky or openapi-fetch?', 'http-libraries.ts'],
    [OTHER_TOOLS, 'How do I use it in React Native or Expo?', 'secure-storage.ts'],
    [OTHER_TOOLS, 'How do I keep tokens out of pino?', 'pino-redaction.ts'],
  ])('%s: %s: the code is the code that runs here', (page, heading, file) => {
    expect(blockUnder(page, heading, 'ts')).toBe(readFileSync(`test/docs/recipes/${file}`, 'utf8'));
  });

  it('F33: the metrics are served to Prometheus', async () => {
    const port = await freePort();
    process.env.OTEL_EXPORTER_PROMETHEUS_PORT = String(port);
    const { meterProvider } = await import('./recipes/telemetry.js');
    try {
      const { sessions } = await apps.start({ session: { telemetry: true } });
      await sessions.logIn('ada');
      const scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(scraped).toMatch(/^jwt_session_log_ins_total\{.*\} 1$/m);
    } finally {
      delete process.env.OTEL_EXPORTER_PROMETHEUS_PORT;
      metrics.disable();
      await meterProvider.shutdown();
    }
  });

  it('a stolen signing key is distrusted by a script of its own, and its tokens refused in every process', async () => {
    @Module({
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: database.url,
          autoLoadEntities: true,
          migrations: [...SESSION_MIGRATIONS],
        }),
        SessionModule.forRoot({ secret: SECRET }),
      ],
    })
    class ScriptModule {}

    const { accessToken, refreshToken } = await logIn();
    const [before] = (await fetchJwks(test.url)).keys;
    await distrustKeys(ScriptModule);
    await until(async () => (await me(test, accessToken)) === 'access_token_invalid');
    // It forgets a distrusted key at once, and reads the new one in a moment.
    await until(async () => {
      const [first, ...others] = (await fetchJwks(test.url)).keys;
      return first !== undefined && first.kid !== before!.kid && others.length === 0;
    });
    const { accessToken: renewed } = await test.sessions.refresh({ refreshToken });
    expect(await me(test, renewed!)).toBe('accepted');
    const { keys } = await fetchJwks(test.url);
    expect(keys.map(({ kid }) => kid)).not.toContain(before!.kid);
    expect(keys).toHaveLength(1);
  });

  it('all sessions are ended by the statement for an incident, in a process that did not run it', async () => {
    const { accessToken, refreshToken } = await logIn();
    await database.query(blockUnder(OPERATING, 'Somebody could write to the database: what now?', 'sql'));
    await test.advance('11s');
    expect(await me(test, accessToken)).toBe('session_revoked');
    await expect(test.sessions.refresh({ refreshToken })).rejects.toMatchObject({ errorCode: 'session_revoked' });
  });

  it('users move from express-session once, without logging in again', async () => {
    class ExpressSessions extends FormerSessions {
      async find({ session }: { session?: { id: string; userId?: string } }) {
        return session?.userId === undefined ? null : { id: session.id, userId: session.userId };
      }

      end(id: string) {
        return new Promise<void>((resolve, reject) => store.destroy(id, error => (error ? reject(error) : resolve())));
      }
    }
    const store = new expressSession.MemoryStore();
    const moving = await apps.start({
      controllers: [MovingController],
      providers: [{ provide: FormerSessions, useClass: ExpressSessions }],
      configure: app => {
        app.use(expressSession({ secret: SECRET, store, resave: false, saveUninitialized: false }));
        app.use('/former-login', (request: Request & { session: { userId?: string } }, response: Response) => {
          request.session.userId = 'grace';
          response.end();
        });
      },
    });
    const client = new CookieClient(moving.url);
    await client.send('/former-login');
    expect((await client.send('/session/move', { method: 'POST' })).status).toBe(200);
    expect((await client.send('/me')).body.userId).toBe('grace');
    expect((await client.refresh()).status).toBe(200);
    expect((await client.send('/session/move', { method: 'POST' })).status).toBe(401);
  });

  it('a message is admitted by its access token', async () => {
    const guard = new MessageGuard(test.app.get(SessionAuthenticator));
    const isLetIn = async (message: { accessToken?: string; session?: UserSession }) => {
      const context = new ExecutionContextHost([message]);
      context.setType('rpc');
      return (await guard.canActivate(context)) && message.session?.userId;
    };
    expect(await isLetIn({ accessToken: (await logIn()).accessToken })).toBe('ada');
    expect(await isLetIn({ accessToken: 'junk' })).toBe(false);
    expect(await isLetIn({})).toBe(false);
  });

  it('a server that renders pages loads with the cookies of the browser', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('radia');
    const requestWith = (cookie?: string) => ({ headers: { cookie } }) as IncomingMessage;
    const cookies = [...client.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    expect(await loadOnServer(test.url, requestWith(cookies))).toMatchObject([{ current: true }]);
    expect(await loadOnServer(test.url, requestWith())).toBeNull();
  });

  it('an app keeps its tokens in the key store of the device', async () => {
    const items = new Map<string, string>();
    const storage = storageIn({
      getItemAsync: async key => items.get(key) ?? null,
      setItemAsync: async (key, value) => void items.set(key, value),
      deleteItemAsync: async key => void items.delete(key),
    });
    const api = createSessionFetch({ baseUrl: test.url, storage });
    await api.saveTokens(await logIn('hedy'));
    expect(items.size).toBe(1);
    await test.advance('11m');
    expect(await (await api('/me')).json()).toMatchObject({ userId: 'hedy' });
    await api.logOut();
    expect(items.size).toBe(0);
  });

  it('L01: pino redacts every token of requests and responses', async () => {
    const lines: string[] = [];
    const { pino } = (await import(PINO)) as { pino: (options: object, to: object) => { info(object: object): void } };
    const logger = pino({ redact: REDACTED_PATHS }, { write: (line: string) => void lines.push(line) });
    const headers = { authorization: 'Bearer s3cret', cookie: 's3cret', 'x-csrf-token': 's3cret', host: 'example.com' };
    const body = { password: 's3cret', token: 's3cret', refreshToken: 's3cret', email: 'ada@example.com' };
    logger.info({ req: { headers, body }, res: { headers: { 'set-cookie': ['s3cret'] } } });
    expect(lines.join('')).not.toContain('s3cret');
    expect(lines.join('')).toContain('example.com');
  });

  it('security.md: who can write to the database can make a session of theirs another user’s', async () => {
    const { refreshToken } = await logIn('mallory');
    await database.query(`UPDATE jwt_session SET user_id = 'ada' WHERE user_id = 'mallory'`);
    expect((await test.sessions.refresh({ refreshToken })).session.userId).toBe('ada');
  });

  it('security.md: a distrusted key stays distrusted for who can write, but not for who has a copy of its row', async () => {
    const { accessToken } = await logIn();
    await database.query('CREATE TABLE copied AS SELECT * FROM jwt_session_key');
    await test.sessions.rotateKeys({ distrust: true });
    await database.query('UPDATE jwt_session_key SET distrusted_at = NULL');
    expect(await me(await apps.start(), accessToken)).toBe('access_token_invalid');
    await database.query(`DELETE FROM jwt_session_key WHERE kid IN (SELECT kid FROM copied);
      INSERT INTO jwt_session_key SELECT * FROM copied; DROP TABLE copied`);
    expect(await me(await apps.start(), accessToken)).toBe('accepted');
    expect(await me(test, accessToken)).toBe('access_token_invalid');
  });

  it('a status looks as the documentation shows it', async () => {
    const shown = JSON.parse(blockUnder(OPERATING, 'What does a health check look like?', 'json')) as object;
    expect(shapeOf(await test.sessions.status())).toEqual(shapeOf(shown));
  });

  it('a refusal looks as the documentation shows it', async () => {
    const { accessToken } = await logIn();
    await test.advance('11m');
    const { body } = await send(`${test.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
    const shown = blockUnder('docs/options.md', 'What does each error code mean?', 'json');
    expect(body).toEqual(JSON.parse(shown));
  });

  // The statements of protocol.md are the library's own: protocol.spec.ts compares them with the code.
  // Those that distribute the tables make each test database on Citus: support/citus.ts.
  const recipes = CODE_BLOCKS.filter(
    ({ page, language, text }) =>
      language === 'sql' && page !== 'docs/protocol.md' && !text.includes('create_distributed_table'),
  );
  it.each(recipes.map(block => [nameOf(block), block.text]))('%s: the statement runs', async (_, text) => {
    await database.query(`BEGIN; ${text} ROLLBACK`);
  });

  it('without its keys a database takes a new secret, and everybody logs in again', async () => {
    const { refreshToken } = await logIn();
    // One that runs on may make a key under the old secret.
    await apps.stop();
    await database.query(blockUnder(OPERATING, 'The secret leaked: what now?', 'sql'));
    const secret = 'another-secret-that-is-long-enough-for-everybody';
    const restarted = await apps.start({ session: { secret } });
    await expect(restarted.sessions.refresh({ refreshToken })).rejects.toThrow(RefreshTokenInvalidError);
    const { accessToken } = await restarted.sessions.logIn('ada');
    expect(await me(restarted, accessToken!)).toBe('accepted');
  });
});

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('the commands to try', () => {
  let database: TestDatabase;
  let sample: SampleProcess;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jwt-session-docs-'));
    database = await TestDatabase.create();
    sample = await SampleProcess.start(database, { SESSION_LEEWAY: '1s' });
  });
  afterAll(async () => {
    await sample?.stop();
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = hasCurl ? it : it.skip;
  const execute = (text: string) => {
    const script = text.replaceAll('http://localhost:3000', sample.url);
    return execFileSync('sh', ['-ec', script], { cwd: folder, stdio: 'pipe', encoding: 'utf8' });
  };
  const withCurl = CODE_BLOCKS.filter(({ language, text }) => language === 'sh' && text.includes('curl '));
  const isTheft = ({ text }: { text: string }) => text.includes('stolen');

  run.each(withCurl.filter(block => !isTheft(block)).map(block => [nameOf(block), block.text]))(
    '%s: curl is answered (skipped without it)',
    (_, text) => {
      expect(() => execute(text.replaceAll('curl -', 'curl --fail -'))).not.toThrow();
    },
  );

  run.each(withCurl.filter(isTheft).map(block => [nameOf(block), block.text]))(
    'R02: %s: the theft is detected, for both (skipped without curl)',
    (_, text) => {
      const answers = execute(text.replaceAll(/^curl .*$/gm, '$&; echo'))
        .trim()
        .split('\n');
      const [login, refreshed, used, victim, thief] = answers.map(answer => JSON.parse(answer) as object);
      for (const accepted of [login, refreshed, used]) expect(accepted).not.toHaveProperty('errorCode');
      for (const refused of [victim, thief]) expect(refused).toMatchObject({ errorCode: 'token_theft_detected' });
    },
  );
});

describe('the application of README', () => {
  let database: TestDatabase;
  let application: SampleProcess;
  let folder: string;
  beforeAll(async () => {
    // Within the package, which resolves its own name there.
    mkdirSync('build', { recursive: true });
    folder = mkdtempSync(join(process.cwd(), 'build', 'readme-'));
    const compilerOptions = { ...NEST_COMPILER_OPTIONS, target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
    const module = ts.transpileModule(blockUnder('README.md', 'Use it', 'ts'), { compilerOptions });
    writeFileSync(join(folder, 'app.module.js'), module.outputText);
    writeFileSync(join(folder, 'main.js'), NEST_MAIN);
    database = await TestDatabase.create();
    const environment = { DATABASE_URL: database.url, SESSION_SECRET: SECRET };
    application = await SampleProcess.run(join(folder, 'main.js'), environment);
  });
  afterAll(async () => {
    await application?.stop();
    await database?.drop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('starts, logs in and answers', async () => {
    const client = new CookieClient(application.url);
    expect((await client.send('/me')).status).toBe(401);
    const body = { username: 'ada', password: 'lovelace' };
    expect((await client.send('/login', { method: 'POST', body })).status).toBe(200);
    expect((await client.send('/me')).body).toEqual({ userId: 'ada', role: 'admin' });
    expect((await client.refresh()).status).toBe(200);
  });
});

const NEST_COMPILER_OPTIONS = { experimentalDecorators: true, emitDecoratorMetadata: true };

/** That of the Nest CLI, and a line that tells the test when it listens. */
const NEST_MAIN = `import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
const app = await NestFactory.create(AppModule);
await app.listen(process.env.PORT ?? 3000);
console.log('The sample listens on ' + process.env.PORT);
`;

/** The kinds of what is in an object. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]));
}
