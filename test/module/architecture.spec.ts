import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const lib = fileURLToPath(new URL('../../lib/', import.meta.url));
const test = fileURLToPath(new URL('../', import.meta.url));

interface Import {
  readonly from: string;
  /** A file of lib, or a package. */
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
const sources = new Map(files.map(file => [file, readFileSync(join(lib, file), 'utf8')]));
const imports = files.flatMap(importsOf);

function importsOf(from: string): Import[] {
  const source = ts.createSourceFile(from, sources.get(from)!, ts.ScriptTarget.ES2023);
  return source.statements.flatMap(statement => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const specifier = statement.moduleSpecifier;
    if (!specifier || !ts.isStringLiteral(specifier)) return [];
    const to = specifier.text.startsWith('.')
      ? normalize(join(dirname(from), specifier.text)).replace(/\.js$/, '.ts')
      : specifier.text;
    return [{ from, to, typeOnly: isTypeOnly(statement) }];
  });
}

function isTypeOnly(statement: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(statement)) return statement.isTypeOnly;
  return statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

/** From the top: a file may import what is on the lines below its own. */
const LAYERS = [
  // Runs in browsers, so it is separate.
  ['client'],
  // Runs where applications are made, and knows the rest by its public names in templates alone.
  ['schematics'],
  ['accounts', 'redis'],
  ['index.ts', 'testing', 'verifier'],
  ['session.module.ts'],
  ['session.telemetry.ts'],
  ['session.controller.ts'],
  ['session.service.ts', 'session.guard.ts'],
  ['sessions'],
  ['http'],
  ['tokens'],
  ['revocation'],
  ['keys'],
  ['store'],
  // What every layer but the rules may use.
  ['session.events.ts', 'options'],
  ['session.interfaces.ts'],
  ['session.errors.ts', 'session.types.ts', 'session.constants.ts'],
  ['rules'],
  // Metrics and spans. Knows nothing of sessions, as common.
  ['telemetry'],
  // Knows nothing of sessions: what rules, session module, verifier and accounts share.
  ['common'],
];

/** Types alone may point at the exchange from everywhere above the rules: it is part of the signatures users see. */
const EXCHANGE = 'http/exchange.ts';

/** All that a service with the verifier alone needs. */
const VERIFIER_PACKAGES = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/jwt',
  // Its types alone.
  '@opentelemetry/api',
  'class-validator',
  'jose',
  'reflect-metadata',
  'rxjs',
];

function layerOf(file: string): string {
  const [top] = file.split('/');
  return top!;
}

function rankOf(file: string): number {
  return LAYERS.findIndex(layer => layer.includes(layerOf(file)));
}

describe('the house', () => {
  it('every file has its place', () => {
    expect(files.filter(file => rankOf(file) < 0)).toEqual([]);
    expect(files.length).toBeGreaterThan(50);
  });

  it('imports go down only', () => {
    const upwards = imports
      .filter(({ to }) => sources.has(to))
      .filter(({ to, typeOnly }) => !(typeOnly && to === EXCHANGE))
      .filter(({ from, to }) => layerOf(from) !== layerOf(to) && rankOf(from) >= rankOf(to));
    expect(upwards.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it('accounts are built on the public names of the session module', () => {
    const beyond = imports.filter(
      ({ from, to }) => layerOf(from) === 'accounts' && sources.has(to) && layerOf(to) !== 'accounts',
    );
    expect(beyond.filter(({ to }) => to !== 'index.ts' && !['common', 'telemetry'].includes(layerOf(to)))).toEqual([]);
    expect(imports.filter(({ from, to }) => layerOf(from) !== 'accounts' && layerOf(to) === 'accounts')).toEqual([]);
  });

  it('every relative import is a file', () => {
    const local = imports.filter(({ from, to }) => to.endsWith('.ts') && !sources.has(to) && from !== to);
    expect(local).toEqual([]);
  });

  it('files do not import each other in a circle', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) {
      if (!typeOnly && sources.has(to)) edges.set(from, [...(edges.get(from) ?? []), to]);
    }
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (file: string, path: string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (path.includes(file) || done.has(file)) return;
      for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
      done.add(file);
    };
    files.forEach(file => walk(file, []));
    expect(circles).toEqual([]);
  });

  it('rules import node:crypto, UUIDs and each other', () => {
    const others = imports.filter(
      ({ from, to }) =>
        layerOf(from) === 'rules' && layerOf(to) !== 'rules' && !['node:crypto', 'common/uuid.ts'].includes(to),
    );
    expect(others).toEqual([]);
  });

  it('the browser client imports nothing but itself, and nothing imports it', () => {
    const crossing = imports.filter(({ from, to }) => (layerOf(from) === 'client') !== (layerOf(to) === 'client'));
    expect(crossing).toEqual([]);
    expect(imports.some(({ from }) => layerOf(from) === 'client')).toBe(true);
  });

  it('http knows nothing of the store, nor of the database', () => {
    const seen = imports.filter(
      ({ from, to }) => layerOf(from) === 'http' && /^(store|typeorm|pg$|@nestjs\/typeorm)/.test(to),
    );
    expect(seen).toEqual([]);
  });

  it('the verifier needs neither the store nor a database, not even for its types', () => {
    const reached = new Set(['verifier/index.ts']);
    for (const file of reached) {
      for (const { from, to } of imports) if (from === file) reached.add(to);
    }
    const packages = [...reached].filter(name => !sources.has(name) && !name.startsWith('node:'));
    expect(packages.sort()).toEqual(VERIFIER_PACKAGES);
    expect([...reached].filter(file => file.startsWith('store/'))).toEqual([]);
  });

  it('only the store uses pg, and only it contains SQL', () => {
    const outside = files.filter(
      file => layerOf(file) !== 'store' && !file.startsWith('accounts/store/') && file !== 'common/missing-schema.ts',
    );
    // Double spaces and line breaks included; "update" and "delete" in prose are followed by no table.
    const sql = /\b(SELECT\s[^;'`]*\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s)/i;
    expect(outside.filter(file => sql.test(sources.get(file)!))).toEqual([]);
    expect(files.some(file => sql.test(sources.get(file)!))).toBe(true);
    expect(imports.filter(({ from, to }) => layerOf(from) !== 'store' && to === 'pg')).toEqual([]);
  });

  it('optional packages are never imported statically', () => {
    const optional =
      /^(@nestjs\/(throttler|graphql|apollo|websockets|platform-.*)|express|fastify|graphql|ioredis|nodemailer|@node-rs\/argon2|@opentelemetry\/.*|@zxcvbn-ts\/.*)$/;
    expect(imports.filter(({ to, typeOnly }) => !typeOnly && optional.test(to))).toEqual([]);
  });

  it("Node's modules are imported by their full names", () => {
    expect(imports.filter(({ to }) => builtinModules.includes(to))).toEqual([]);
  });

  it('no file has more than 300 lines, no folder lies deeper than two', () => {
    expect(files.filter(file => sources.get(file)!.split('\n').length > 300)).toEqual([]);
    expect(files.filter(file => file.split('/').length > 3)).toEqual([]);
  });

  it('nothing is of type any', () => {
    const findAny = (node: ts.Node): boolean =>
      node.kind === ts.SyntaxKind.AnyKeyword || (ts.forEachChild(node, child => findAny(child) || undefined) ?? false);
    const found = files.filter(file => findAny(ts.createSourceFile(file, sources.get(file)!, ts.ScriptTarget.ES2023)));
    expect(found).toEqual([]);
  });
});

describe('the tests', () => {
  const suites = readdirSync(test, { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.spec.ts') && !file.includes('node_modules'),
  );
  const folders = [...new Set(suites.map(suite => dirname(suite)))];

  it('no folder of suites is left out of a run', () => {
    const ofAll = `import { importSuites } from '../support/suites.js';\n\nawait importSuites(import.meta.dirname);\n`;
    for (const folder of folders) expect(readFileSync(join(test, folder, 'all.ts'), 'utf8')).toBe(ofAll);
    expect(folders.length).toBeGreaterThan(15);
  });

  it('CONTRIBUTING.md says where the tests of each folder of lib are, and what each folder of test is about', () => {
    const page = readFileSync(join(test, '..', 'CONTRIBUTING.md'), 'utf8');
    const table = [...page.matchAll(/^\| `([a-z-]+)` +\|.*\| ([^|]*) \|$/gm)];
    const libFolders = files.filter(file => file.includes('/')).map(layerOf);
    expect(table.map(([, folder]) => folder).sort()).toEqual([...new Set(libFolders)].sort());
    const named = new Set([...page.matchAll(/`(?:test\/)?([a-z-]+)`/g)].map(([, name]) => name));
    expect(folders.filter(folder => !named.has(folder))).toEqual([]);
    const tested = table.flatMap(([, , tests]) => [...tests!.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!));
    expect(tested.filter(folder => !folders.includes(folder))).toEqual([]);
  });
});
