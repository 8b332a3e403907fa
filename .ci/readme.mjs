// Follows README as a newcomer does: runs every command and every block of code in its order, in fresh folders, with
// the packed package in place of its name on npm. Fails if README has a block that is not known here.
//
//   node .ci/readme.mjs
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinaries } from '../dist/schematics/database/binaries.js';
import { freePort } from '../dist/schematics/database/free-port.js';
import { removeDataOf } from './root-data.mjs';
import { startTemporaryPostgres } from '../dist/schematics/database/temporary-postgres.js';

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : tmpdir(), 'jwt-session-readme-'));
const clone = join(scratch, 'nestjs-jwt-session');
const tarball = join(clone, 'nestjs-jwt-session-1.0.0.tgz');
const { DATABASE_URL: _url, SESSION_SECRET: _secret, ...outer } = process.env;
const environment = { ...outer, npm_config_loglevel: 'error', npm_config_fund: 'false', npm_config_audit: 'false' };

function check(isRight, message) {
  if (!isRight) throw new Error(message);
}

/** Runs a block of README in a shell, and returns its output. */
function shell(folder, block, env = {}) {
  console.log(block.replaceAll(/^/gm, '  $ '));
  const { status, stdout, stderr } = spawnSync('bash', ['-ec', block], {
    cwd: folder,
    env: { ...environment, ...env },
    encoding: 'utf8',
    input: '',
  });
  check(status === 0, `The block fails:\n${stdout}\n${stderr}`);
  return stdout;
}

/** Runs a block that starts a server, and ends it as Ctrl+C in a terminal does. */
async function served(folder, block, env, use) {
  console.log(block.replaceAll(/^/gm, '  $ '));
  const port = await freePort();
  const child = spawn('bash', ['-ec', block], {
    cwd: folder,
    env: { ...environment, ...env, PORT: String(port) },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
  const url = `http://localhost:${port}`;
  try {
    while (!(await fetch(url).catch(() => undefined))) {
      check(child.exitCode === null, `The server does not start:\n${output}`);
      await sleep(200);
    }
    await use(url);
  } finally {
    if (child.exitCode === null) process.kill(-child.pid, 'SIGINT');
    await ended;
  }
}

/** An application as the Nest CLI makes it. */
function freshApplication(name, nest) {
  shell(scratch, `npx --yes --package @nestjs/cli@${nest} -- nest new ${name} --skip-git --package-manager npm`);
  return join(scratch, name);
}

const packed = block => block.replace(/(?<=npm install )nestjs-jwt-session/, tarball);

async function logIn(url, path, credentials) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Session-Transport': 'bearer' },
    body: JSON.stringify(credentials),
  });
  check(response.status === 200, `POST ${path} answers ${response.status}: ${await response.clone().text()}`);
  const { accessToken } = await response.json();
  const { status } = await fetch(`${url}/me`, { headers: { Authorization: `Bearer ${accessToken}` } });
  check(status === 200, `GET /me answers ${status}`);
}

const ada = { username: 'ada', password: 'lovelace' };

// A test of an application on Nest 11: its Jest is CommonJS.
const TEST = `import { Test } from '@nestjs/testing';
import request from 'supertest';
import { AppModule } from './../src/app.module';

it('logs in', async () => {
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = module.createNestApplication();
  await app.init();
  await request(app.getHttpServer()).post('/login').send({ username: 'ada', password: 'lovelace' }).expect(200);
  await app.close();
});
`;

const applications = {};
let database;
let source;

/** What to do with each block, by how it begins. */
const steps = {
  'npm install nestjs-jwt-session @nestjs/jwt ': block => {
    applications[12] = freshApplication('on-nest-12', 12);
    cpSync(applications[12], join(scratch, 'existing'), { recursive: true, verbatimSymlinks: true });
    shell(applications[12], packed(block));
  },
  'npm install nestjs-jwt-session @nestjs/jwt@11': block => {
    applications[11] = freshApplication('on-nest-11', 11);
    shell(applications[11], packed(block));
  },
  // Was done first: the other blocks need the tarball.
  'npm ci && npm pack': () => {},
  'npx nestjs-jwt-session new my-app': async block => {
    const [make, start] = block.split('\n');
    shell(scratch, make.replace('npx', `npx --yes --package ${tarball}`));
    await served(scratch, start, {}, async url => check((await fetch(url)).status === 200, 'The page is not there'));
    rmSync(join(scratch, 'my-app'), { recursive: true });
    removeDataOf(join(scratch, 'my-app'));
  },
  'npx nest add nestjs-jwt-session': block => {
    const folder = join(scratch, 'existing');
    shell(folder, `npm install ${tarball}`);
    shell(folder, `${block.split('#')[0].trim()} --skip-install && npm install`);
    shell(folder, 'npm run build');
  },
  'import {\n  Body,': block => {
    source = block;
  },
  'echo "DATABASE_URL=': async block => {
    for (const [nest, folder] of Object.entries(applications)) {
      writeFileSync(join(folder, 'src', 'app.module.ts'), source);
      const url = await createDatabase(`nest_${nest}`);
      const own = block.replace('postgres://postgres:postgres@localhost:5432/postgres', url);
      check(own !== block, 'README has another DATABASE_URL');
      await served(folder, own, {}, base => logIn(base, '/login', ada));
    }
    const variables = {
      DATABASE_URL: await createDatabase('jest'),
      SESSION_SECRET: 'a secret of more than 32 bytes, for Jest',
    };
    writeFileSync(join(applications[11], 'test', 'app.e2e-spec.ts'), TEST);
    shell(applications[11], 'npm run test:e2e', variables);
  },
  // Is tried with the commands that follow it.
  'npm ci && npm start': () => {},
  'curl -sc jar': async block => {
    const isTheft = block.includes('cp jar stolen');
    const env = {
      DATABASE_URL: await createDatabase(isTheft ? 'theft' : 'sample'),
      SESSION_LEEWAY: isTheft ? '1s' : '',
    };
    if (!isTheft) delete env.SESSION_LEEWAY;
    const folder = mkdtempSync(join(scratch, 'curl-'));
    await served(clone, 'npm start', env, url => {
      const output = shell(folder, block.replaceAll('http://localhost:3000', url).replaceAll(/$/gm, '; echo'));
      const answers = output.split('\n').filter(line => line !== '');
      const codes = answers.map(answer => JSON.parse(answer).errorCode);
      const theft = 'token_theft_detected';
      const expected = isTheft ? ['', '', '', theft, theft] : ['', '', ''];
      check(codes.join() === expected.join(), `The answers are ${output}`);
    });
  },
  // The tests are not run twice: .ci/run does it.
  'npm ci && npm test': () => {},
};

async function createDatabase(name) {
  database ??= await startTemporaryPostgres(findBinaries(root));
  const { default: pg } = await import('pg');
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return Object.assign(new URL(database.url), { pathname: name }).href;
}

try {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```(?:sh|ts)\n([^]*?)\n```$/gm)].map(([, block]) => block);
  const stepFor = block => Object.keys(steps).findLast(beginning => block.startsWith(beginning));
  const unknown = blocks.filter(block => stepFor(block) === undefined);
  check(unknown.length === 0, `README has blocks that nothing runs:\n\n${unknown.join('\n\n')}`);
  mkdirSync(clone);
  shell(root, `git clone --quiet . ${clone}`);
  cpSync(join(root, 'README.md'), join(clone, 'README.md'));
  shell(clone, 'npm ci && npm pack');
  check(readdirSync(clone).includes('nestjs-jwt-session-1.0.0.tgz'), 'The tarball has another name');
  for (const block of blocks) await steps[stepFor(block)](block);
  console.log('every command and block of README works');
} finally {
  await database?.stop();
  rmSync(scratch, { recursive: true, force: true });
}
