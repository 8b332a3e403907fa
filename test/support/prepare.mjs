import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';

const ROOT = join(import.meta.dirname, '../..');
const TEST = join(ROOT, 'test');

/** A spec that imports one of these files, also through others, needs what is named beside it. */
const NEEDS = {
  [join(TEST, 'support/database.ts')]: 'database',
  [join(TEST, 'support/built-package.ts')]: 'package',
  [join(TEST, 'support/sample-process.ts')]: 'samples',
};

/** @returns what the specs need whose paths match one of the patterns; without a pattern, everything */
export function findNeeds(patterns) {
  if (patterns.length === 0) return new Set(Object.values(NEEDS));
  const expressions = patterns.map(pattern => new RegExp(pattern));
  const files = readdirSync(TEST, { recursive: true })
    .filter(file => file.endsWith('.spec.ts'))
    .map(file => join(TEST, file))
    .filter(file => expressions.some(expression => expression.test(file)));
  const reached = new Set(files);
  for (const file of reached) {
    for (const imported of importsOf(file)) reached.add(imported);
  }
  return new Set([...reached].map(file => NEEDS[file]).filter(need => need !== undefined));
}

/** The files of `test` that a file imports when it runs. */
function importsOf(file) {
  const specifiers = readFileSync(file, 'utf8').matchAll(/^(?!import type ).*\b(?:from|import\()\s*'(\.[^']+)'/gm);
  return [...specifiers]
    .map(([, specifier]) => join(dirname(file), specifier).replace(/\.js$/, '.ts'))
    .filter(imported => imported.startsWith(TEST) && existsSync(imported));
}

/** Builds the package and the samples, unless they are up to date. */
export function build(needs) {
  if (needs.has('package') || needs.has('samples')) run('build.mjs');
  if (needs.has('samples')) run('sample/build.mjs');
}

function run(script) {
  const { status } = spawnSync(process.execPath, [script], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${script} has failed`);
}

/** The functions that start PostgreSQL, compiled from `lib`: a run that needs only them does not build the package. */
export function loadPostgres() {
  const source = join(ROOT, 'lib/schematics/database');
  const folder = mkdtempSync(join(tmpdir(), 'postgres-launcher-'));
  try {
    for (const name of ['binaries', 'free-port', 'embedded-postgres', 'temporary-postgres']) {
      const code = readFileSync(join(source, `${name}.ts`), 'utf8');
      const options = { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } };
      writeFileSync(join(folder, `${name}.js`), transformSync(code, { ...options, swcrc: false }).code);
    }
    const load = createRequire(join(folder, 'index.js'));
    return { ...load('./binaries.js'), ...load('./temporary-postgres.js') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
