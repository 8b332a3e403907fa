// Builds `dist`. `nest build` compiles, because decorator metadata needs the types. Rollup bundles the result into an ESM and a
// CommonJS build, whose entry points share their chunks, and into one set of declarations.
//
// Node always loads the ESM build. Its server code is not minified: Node prints the line that throws, and a stack trace
// leads to readable code, without source maps. Only tools that cannot load ES modules take the CommonJS build, above all
// the Jest of Nest 11. It is minified, with short lines, because tools print the line that throws. So is the client, which
// pages download, in one line.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify, minifySync } from '@swc/core';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import ts from 'typescript';

process.chdir(import.meta.dirname);

const ENTRIES = [
  'index',
  'testing/index',
  'client/index',
  'verifier/index',
  'accounts/index',
  'accounts/testing/index',
  'redis/index',
];

/** Declared apart and exported by star, because TypeScript merges an application's `declare module` only into such names. */
const AUGMENTED = 'session.types';

/** Published as an ES module only, which users of the CommonJS build cannot load. The build contains it. */
const BUNDLED_FOR_COMMONJS = ['jose'];

/** Columns of the CommonJS build. */
const LINE_WIDTH = 120;

/** tsc's helpers, once instead of in every file. */
const BUNDLED_ALWAYS = ['tslib'];
const MODULES = { tslib: 'tslib/tslib.es6.mjs' };

if (isUpToDate()) process.exit();
rmSync('dist', { recursive: true, force: true });
run('@nestjs/cli/bin/nest.js', 'build');
await Promise.all([bundle('es'), bundle('cjs'), declare()]);
buildSchematics();
writeNotices();

/** Runs a compiler in a process of its own, and ends this one if it reports an error. */
function run(tool, ...parameters) {
  const { status } = spawnSync(process.execPath, [join('node_modules', tool), ...parameters], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

async function bundle(format) {
  const bundled = [...BUNDLED_ALWAYS, ...(format === 'cjs' ? BUNDLED_FOR_COMMONJS : [])];
  const extension = format === 'es' ? 'js' : 'cjs';
  const build = await rollup({
    input: inputs('js'),
    external: name => isPackage(name) && !bundled.includes(name),
    treeshake: { moduleSideEffects: name => !name.includes('node_modules') },
    plugins: [findPackages(bundled), format === 'es' ? readable() : minified(format)],
    onwarn: refuseWarning,
  });
  await build.write({
    dir: 'dist',
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `shared/[name].${extension}`,
    // Packages that are imported on demand are required on demand, because Jest has no `import()` in CommonJS.
    dynamicImportInCjs: false,
    interop: 'auto',
    manualChunks: name => (isBundledForCommonJs(name) ? 'dependencies' : undefined),
    hoistTransitiveImports: false,
    generatedCode: 'es2015',
  });
}

/**
 * Reduces the declarations to the public ones. There is one set in CommonJS form, which every `moduleResolution`
 * understands. The ESM declarations export it again, so both builds have the same types.
 */
async function declare() {
  const build = await rollup({
    input: inputs('d.ts'),
    external: isPackage,
    plugins: [augmentedApart(), dts(), { name: 'tabs', renderChunk: code => indentByTabs(code) }],
    onwarn: refuseWarning,
  });
  await build.write({
    dir: 'dist',
    entryFileNames: '[name].d.cts',
    chunkFileNames: ({ name }) => `shared/${name.replace(/\.d$/, '')}.d.cts`,
    hoistTransitiveImports: false,
  });
  writeFileSync(`dist/${AUGMENTED}.d.cts`, readFileSync(`build/${AUGMENTED}.d.ts`));
  for (const entry of ENTRIES) writeFileSync(`dist/${entry}.d.ts`, `export * from './index.cjs';\n`);
}

function inputs(extension) {
  return Object.fromEntries(ENTRIES.map(entry => [entry, `build/${entry}.${extension}`]));
}

function isBundledForCommonJs(file) {
  return BUNDLED_FOR_COMMONJS.some(name => file.includes(join('node_modules', name)));
}

function isPackage(name) {
  return !name.startsWith('.') && !isAbsolute(name);
}

function findPackages(names) {
  return {
    name: 'find-packages',
    resolveId: name =>
      names.includes(name)
        ? { id: fileURLToPath(import.meta.resolve(MODULES[name] ?? name)), moduleSideEffects: false }
        : undefined,
  };
}

/** Names, lines and the structure stay. Comments go: the declarations document the API. */
function readable() {
  const client = minified('es');
  return {
    name: 'readable',
    renderChunk: (code, chunk) => (chunk.name === 'client/index' ? client.renderChunk(code) : { code: compact(code) }),
  };
}

/** @returns the code without comments, indented by tabs */
function compact(code) {
  const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, removeComments: true };
  const printed = ts.transpileModule(code, { compilerOptions }).outputText;
  const file = ts.createSourceFile('chunk.js', printed, ts.ScriptTarget.ES2023);
  // The lines of templates are part of SQL and mails.
  const templates = [];
  const visit = node => {
    if (ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node)) templates.push([node.pos, node.end]);
    else ts.forEachChild(node, visit);
  };
  visit(file);
  return indentByTabs(printed, position => templates.some(([start, end]) => position > start && position < end));
}

function indentByTabs(code, isText = () => false) {
  return code.replace(/^(?: {4})+/gm, (spaces, position) =>
    isText(position) ? spaces : '\t'.repeat(spaces.length / 4),
  );
}

/** Class names stay, because Nest's messages, TypeORM's migrations and the names of errors are made of them. */
function minified(format) {
  const names = { keep_classnames: true };
  return {
    name: 'minify',
    async renderChunk(code) {
      const result = await minify(code, {
        module: format === 'es',
        compress: { ...names, passes: 2, toplevel: true },
        mangle: { ...names, toplevel: true },
      });
      return { code: format === 'cjs' ? inLines(result.code) : result.code };
    },
  };
}

/** @returns the code in lines of about 120 columns, broken only where white space has no meaning */
function inLines(code) {
  const parts = [];
  let [start, end] = [0, 0];
  for (const position of [...breakablePositions(code), code.length]) {
    if (position - start > LINE_WIDTH && end > start) {
      parts.push(code.slice(start, end));
      start = end;
    }
    end = position;
  }
  return [...parts, code.slice(start)].join('\n');
}

/** Behind the operator of an expression, and behind the bracket or separator before an element of a list. */
function breakablePositions(code) {
  const positions = new Set();
  const visit = node => {
    if (ts.isBinaryExpression(node)) positions.add(node.right.pos);
    if (ts.isConditionalExpression(node)) positions.add(node.whenTrue.pos).add(node.whenFalse.pos);
    ts.forEachChild(node, visit, elements => {
      for (const element of elements) {
        if (/[,;([{}]/.test(code[element.pos - 1])) positions.add(element.pos);
        visit(element);
      }
    });
  };
  visit(ts.createSourceFile('chunk.js', code, ts.ScriptTarget.ES2023));
  return [...positions].sort((one, other) => one - other);
}

function augmentedApart() {
  return {
    name: 'augmented-apart',
    resolveId: name =>
      name.endsWith(`/${AUGMENTED}.js`) ? { id: resolve(`build/${AUGMENTED}.cjs`), external: 'relative' } : undefined,
  };
}

function refuseWarning({ code, plugin, message }) {
  // Helpers of packages that tsc compiled without tslib.
  if (code === 'THIS_IS_UNDEFINED') return;
  // The parts of a public type need not be exported.
  if (plugin === 'dts' && message.includes('references private shared type exports')) return;
  throw new Error(message);
}

/** The schematics, which Nest's CLI runs, and the package's command: CommonJS files with their templates beside them. */
function buildSchematics() {
  run('typescript/bin/tsc', '-p', 'tsconfig.schematics.json');
  const scripts = readdirSync('dist/schematics', { recursive: true }).filter(file => file.endsWith('.js'));
  for (const script of scripts) {
    const file = join('dist/schematics', script);
    writeFileSync(file, minifySync(readFileSync(file, 'utf8'), { module: false, compress: true, mangle: true }).code);
  }
  cpSync('lib/schematics', 'dist/schematics', { recursive: true, filter: file => !file.endsWith('.ts') });
}

/** Writes the licences of the packages that the builds contain. */
function writeNotices() {
  const notices = [...BUNDLED_ALWAYS, ...BUNDLED_FOR_COMMONJS].map(name => {
    const folder = join('node_modules', name);
    const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each));
    return `${name}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync('dist/THIRD-PARTY-NOTICES.txt', notices.join(`\n${'-'.repeat(80)}\n\n`));
}

/** Whether nothing has changed since the last build. The time of a folder changes when a file is removed. */
function isUpToDate() {
  const last = 'dist/THIRD-PARTY-NOTICES.txt';
  if (!existsSync(last)) return false;
  const sources = readdirSync('lib', { recursive: true }).map(name => join('lib', name));
  const settings = [
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'tsconfig.schematics.json',
    'nest-cli.json',
    'build.mjs',
    'node_modules',
  ];
  const built = statSync(last).mtimeMs;
  return ['lib', ...sources, ...settings].every(name => statSync(name).mtimeMs < built);
}
