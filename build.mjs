// Builds `dist`: `nest build` compiles (decorator metadata needs its types), Rollup makes of that one ESM and one CommonJS build,
// whose entry points share their chunks, and one set of declarations.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify, minifySync } from '@swc/core';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

process.chdir(import.meta.dirname);

const ENTRIES = [
  'index',
  'testing/index',
  'client/index',
  'verifier/index',
  'accounts/index',
  'accounts/testing/index',
];

/** Declared apart, and exported by star: TypeScript merges an application's `declare module` only into such names. */
const AUGMENTED = 'session.types';

/** ESM only. Whoever loads the CommonJS build cannot load it (Jest, above all), so that it comes along. */
const BUNDLED_FOR_COMMONJS = ['jose'];

/** tsc's helpers: each once instead of in every file. */
const BUNDLED_ALWAYS = ['tslib'];
const MODULES = { tslib: 'tslib/tslib.es6.mjs' };

if (isUpToDate()) process.exit();
rmSync('dist', { recursive: true, force: true });
run('@nestjs/cli/bin/nest.js', 'build');
await Promise.all([bundle('es'), bundle('cjs'), declare()]);
buildSchematics();
writeNotices();

/** Compiles in a process of its own, and ends this one where that finds a mistake. */
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
    plugins: [findPackages(bundled), sourceMaps(), minified(format)],
    onwarn: refuseWarning,
  });
  await build.write({
    dir: 'dist',
    format,
    sourcemap: true,
    sourcemapExcludeSources: format === 'cjs',
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `shared/[name].${extension}`,
    // What is imported on demand is required on demand: Jest has no `import()` in CommonJS.
    dynamicImportInCjs: false,
    interop: 'auto',
    manualChunks: name => (isBundledForCommonJs(name) ? 'dependencies' : undefined),
    hoistTransitiveImports: false,
    generatedCode: 'es2015',
  });
}

/**
 * Rolls the declarations up to what is public. There is one set, in CommonJS form, since that is understood by every
 * `moduleResolution`; the ESM declarations export it again. The types of both builds are so the same.
 */
async function declare() {
  const build = await rollup({
    input: inputs('d.ts'),
    external: isPackage,
    plugins: [augmentedApart(), dts()],
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

/** Hands tsc's source maps on. */
function sourceMaps() {
  return {
    name: 'source-maps',
    load: id =>
      existsSync(`${id}.map`) ? { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') } : undefined,
  };
}

/** Class names stay: Nest's messages, TypeORM's migrations and an error's name are made of them. */
function minified(format) {
  const names = { keep_classnames: true };
  return {
    name: 'minify',
    renderChunk: code =>
      minify(code, {
        module: format === 'es',
        sourceMap: true,
        compress: { ...names, passes: 2, toplevel: true },
        mangle: { ...names, toplevel: true },
      }),
  };
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
  // What a public type is made of need not be exported.
  if (plugin === 'dts' && message.includes('references private shared type exports')) return;
  throw new Error(message);
}

/** What Nest's CLI runs, and the command of the package: plain CommonJS files with their templates beside them. */
function buildSchematics() {
  run('typescript/bin/tsc', '-p', 'tsconfig.schematics.json');
  const scripts = readdirSync('dist/schematics', { recursive: true }).filter(file => file.endsWith('.js'));
  for (const script of scripts) {
    const file = join('dist/schematics', script);
    writeFileSync(file, minifySync(readFileSync(file, 'utf8'), { module: false, compress: true, mangle: true }).code);
  }
  cpSync('lib/schematics', 'dist/schematics', { recursive: true, filter: file => !file.endsWith('.ts') });
}

/** The licences of what the builds bring along. */
function writeNotices() {
  const notices = [...BUNDLED_ALWAYS, ...BUNDLED_FOR_COMMONJS].map(name => {
    const folder = join('node_modules', name);
    const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each));
    return `${name}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync('dist/THIRD-PARTY-NOTICES.txt', notices.join(`\n${'-'.repeat(80)}\n\n`));
}

/** Whether nothing has changed since the last build. A folder's time tells of files that are gone. */
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
