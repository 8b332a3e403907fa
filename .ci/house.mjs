// Counts how the code is built: `node .ci/house.mjs [checkout …]`, this checkout if none is given. It starts an
// application on each checkout's own `lib`, with the packages of this one. To compare with an older commit:
//   git worktree add ../before <commit> && node .ci/house.mjs ../before .
import { spawnSync } from 'node:child_process';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';
import ts from 'typescript';

const HERE = join(import.meta.dirname, '..');
const SELF = fileURLToPath(import.meta.url);

/** What stands for "an option", "an error code" and "a column of the device list": each was there from the start. */
const OPTION = 'maxStaleness';
const ERROR_CODE = 'session_limit_reached';
const COLUMN = /\b(last_seen_at|lastSeenAt|last_seen_ms)\b/;

const rowOf = cells => `| ${cells.join(' | ')} |`;
const isCore = file => !/^(accounts|schematics)\//.test(file);
const isIndex = ({ file }) => /(^|\/)index\.ts$/.test(file);

if (process.argv[2] === '--count') {
  process.stdout.write(JSON.stringify(await count(resolve(process.argv[3]))));
  process.exit();
}
const checkouts = process.argv.length > 2 ? process.argv.slice(2) : [HERE];
print(checkouts.map(checkout => ({ checkout, counts: countIn(checkout) })));

/** In a process of its own: each checkout loads its own classes. */
function countIn(checkout) {
  const run = spawnSync(process.execPath, [SELF, '--count', checkout], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (run.status !== 0) throw new Error(`${checkout} could not be counted`);
  return JSON.parse(run.stdout.toString());
}

function print(columns) {
  const rows = Object.keys(columns[0].counts).map(name => rowOf([name, ...columns.map(({ counts }) => counts[name])]));
  const head = ['', ...columns.map(({ checkout }) => basename(resolve(checkout)))];
  console.log([rowOf(head), rowOf(head.map(() => '---')), ...rows].join('\n'));
}

async function count(checkout) {
  const sources = readdirSync(join(checkout, 'lib'), { recursive: true })
    .filter(file => file.endsWith('.ts'))
    .map(file => ({ file, text: readFileSync(join(checkout, 'lib', file), 'utf8') }));
  return {
    ...countLines(sources),
    ...countConstructors(sources),
    ...countPlaces(checkout, sources),
    ...(await measure(sources)),
  };
}

function countLines(sources) {
  const linesOf = isCounted =>
    sources.filter(({ file }) => isCounted(file)).reduce((sum, { text }) => sum + text.split('\n').length - 1, 0);
  return {
    'lines of lib, core': linesOf(isCore),
    'lines of lib/accounts': linesOf(file => file.startsWith('accounts/')),
    'lines of lib/schematics': linesOf(file => file.startsWith('schematics/')),
  };
}

function countConstructors(sources) {
  const sizes = sources.flatMap(({ file, text }) => {
    const found = [];
    const visit = node => {
      if (ts.isConstructorDeclaration(node)) found.push(node.parameters.length);
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2023));
    return found;
  });
  return {
    'constructors above six parameters': sizes.filter(size => size > 6).length,
    'constructors above eight parameters': sizes.filter(size => size > 8).length,
    'parameters of the largest constructor': Math.max(...sizes),
  };
}

/** Lines of code, and rows of the documentation, that name the thing and would have to be written for one like it. */
function countPlaces(checkout, sources) {
  const codeLines = sources.map(({ file, text }) => ({
    file,
    lines: text.replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, '').split('\n'),
  }));
  const naming = (expression, isCounted) =>
    codeLines.filter(({ file }) => isCounted(file)).flatMap(({ lines }) => lines.filter(line => expression.test(line)))
      .length;
  const rows = readFileSync(join(checkout, 'docs/options.md'), 'utf8')
    .split('\n')
    .filter(line => line.startsWith('|'));
  const rowsNaming = expression => rows.filter(row => expression.test(row.split('|').slice(1, 3).join('|'))).length;
  return {
    [`places for an option (${OPTION})`]:
      naming(new RegExp(`\\b${OPTION}\\b`), file => file.startsWith('options/')) +
      rowsNaming(new RegExp(`\\.${OPTION}\\b`)),
    [`places for an error code (${ERROR_CODE})`]:
      naming(new RegExp(`'${ERROR_CODE}'`), isCore) + rowsNaming(new RegExp(ERROR_CODE)),
    'places for a column of the device list (lastSeenAt)': naming(COLUMN, isCore),
  };
}

/** Starts an application, and follows a login and a refresh over HTTP. */
async function measure(sources) {
  const folder = mkdtempSync(join(tmpdir(), 'house-'));
  const { findBinaries, startTemporaryPostgres } = (await import('../test/support/prepare.mjs')).loadPostgres();
  const server = await startTemporaryPostgres(findBinaries(HERE));
  try {
    compile(sources, folder);
    const statements = await instrument(sources, folder);
    const { app, url, providers } = await start(folder, server.url);
    const post = (path, body) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'session-transport': 'bearer' },
        body: JSON.stringify(body),
      }).then(response => response.json());
    const logIn = () => post('/login', {});
    const refresh = ({ refreshToken }) => post('/session/refresh', { refreshToken });
    // Once without counting: what is loaded or compiled on first use is no part of a request.
    await refresh(await logIn());
    const coverage = await startCoverage(folder);
    statements.length = 0;
    const tokens = await logIn();
    const logInFrames = framesTo(statements, /INSERT/);
    statements.length = 0;
    await coverage.files();
    await refresh(tokens);
    const filesOfRefresh = await coverage.files();
    const refreshFrames = framesTo(statements, /UPDATE/);
    await app.close();
    // `HOUSE_DETAILS=1` names them.
    if (process.env.HOUSE_DETAILS) console.error({ refreshFrames, logInFrames, filesOfRefresh });
    return {
      'providers of SessionModule': providers,
      'methods from refresh to its statement': refreshFrames.length,
      'methods from logIn to its statement': logInFrames.length,
      'files on the way from refresh to its statement': new Set(refreshFrames.map(frame => frame.replace(/^.* /, '')))
        .size,
      'files whose code runs in a refresh': filesOfRefresh.length,
    };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

function compile(sources, folder) {
  symlinkSync(join(HERE, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const options = JSON.parse(readFileSync(join(HERE, '.swcrc'), 'utf8'));
  for (const { file, text } of sources.filter(source => !source.file.startsWith('schematics/'))) {
    const target = join(folder, 'lib', file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, transformSync(text, { ...options, swcrc: false, sourceMaps: false, filename: file }).code);
  }
}

/** Every method notes from which method it was called; every statement notes from which method it was sent. */
async function instrument(sources, folder) {
  const frames = new AsyncLocalStorage();
  const seen = new Set();
  // The file of a class is the one that declares it: those that export it again come last.
  const own = sources.filter(({ file }) => !/^(schematics|accounts|client|testing)\//.test(file));
  for (const { file } of [...own.filter(source => !isIndex(source)), ...own.filter(isIndex)]) {
    const exported = await import(pathToFileURL(join(folder, 'lib', file.replace(/\.ts$/, '.js'))).href);
    for (const value of Object.values(exported)) {
      if (typeof value !== 'function' || !/^class\b/.test(String(value)) || seen.has(value)) continue;
      seen.add(value);
      wrapMethods(value, file, frames);
    }
  }
  const { default: pg } = await import('pg');
  const statements = [];
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (config, ...rest) {
    const chain = [];
    for (let frame = frames.getStore(); frame; frame = frame.caller) chain.unshift(`${frame.method} (${frame.file})`);
    statements.push({ text: config.text ?? config, chain });
    return query.call(this, config, ...rest);
  };
  return statements;
}

function wrapMethods(type, file, frames) {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(type.prototype))) {
    const method = descriptor.value;
    if (typeof method !== 'function' || name === 'constructor') continue;
    const wrapped = function (...parameters) {
      const frame = { method: `${type.name}.${name}`, file, caller: frames.getStore() };
      return frames.run(frame, () => method.apply(this, parameters));
    };
    // Nest's decorators write on the function.
    for (const key of Reflect.getOwnMetadataKeys(method)) {
      Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapped);
    }
    Object.defineProperty(type.prototype, name, { ...descriptor, value: wrapped });
  }
}

async function start(folder, url) {
  const library = await import(pathToFileURL(join(folder, 'lib/index.js')).href);
  const { Controller, HttpCode, Module, Post } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { TypeOrmModule } = await import('@nestjs/typeorm');

  class LogInController {
    constructor(sessions) {
      this.sessions = sessions;
    }
    logIn(exchange) {
      return this.sessions.logIn('ada', { exchange });
    }
  }
  Reflect.defineMetadata('design:paramtypes', [library.SessionService], LogInController);
  const descriptor = Object.getOwnPropertyDescriptor(LogInController.prototype, 'logIn');
  Post('login')(LogInController.prototype, 'logIn', descriptor);
  HttpCode(200)(LogInController.prototype, 'logIn', descriptor);
  library.Exchange()(LogInController.prototype, 'logIn', 0);
  Controller()(LogInController);

  const sessions = library.SessionModule.forRoot({ secret: 'a secret of at least thirty-two bytes' });
  class Application {}
  Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        autoLoadEntities: true,
        migrations: [...library.SESSION_MIGRATIONS],
        migrationsRun: true,
      }),
      sessions,
    ],
    controllers: [LogInController],
  })(Application);
  const app = await NestFactory.create(Application, { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  return { app, url: await app.getUrl(), providers: sessions.providers.length };
}

function framesTo(statements, expression) {
  const found = statements.find(({ text }) => expression.test(text));
  if (!found) throw new Error(`no statement matches ${expression}`);
  return found.chain;
}

/** The files of `lib` in which a function has run since the last call. */
async function startCoverage(folder) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const lib = pathToFileURL(join(folder, 'lib')).href;
  return {
    async files() {
      const { result } = await session.post('Profiler.takePreciseCoverage');
      return result
        .filter(({ url }) => url.startsWith(lib))
        .filter(({ functions }) => functions.some(({ ranges }) => ranges[0].startOffset > 0 && ranges[0].count > 0))
        .map(({ url }) => relative(join(folder, 'lib'), fileURLToPath(url)));
    },
  };
}
