import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { BUILT_PACKAGE } from '../support/built-package.js';

/** Bytes of each part, unpacked. CONTRIBUTING says why the parts are there. Raise a limit knowingly. */
const LIMITS = {
  'ES modules, readable': { limit: 630_000, holds: /^dist\/(?!schematics\/).*\.js$/ },
  'CommonJS, minified': { limit: 500_000, holds: /\.cjs$/ },
  'declarations, once': { limit: 140_000, holds: /\.d\.c?ts$/ },
  'schematics and templates': { limit: 90_000, holds: /^dist\/schematics\// },
  'texts and the manifest': { limit: 45_000, holds: /^[^/]+$|\.txt$/ },
};

/** Characters. Only imports and exports of bundled chunks are longer. */
const MAX_LINE_LENGTH = 400;

const EXPECTED = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
  /^dist\/((testing|client|verifier|accounts|accounts\/testing|redis)\/)?index\.(c?js|d\.c?ts)$/,
  /^dist\/shared\/[a-z_.-]+\.(c?js|d\.cts)$/,
  /^dist\/schematics\/(bin\.js|collection\.json|package\.json|(add|database|new|source)\/[a-z.-]+\.(js|json))$/,
  /^dist\/schematics\/files\/[a-zA-Z\d.-]+\.template$/,
  /^dist\/(session\.types\.d\.cts|THIRD-PARTY-NOTICES\.txt)$/,
];

interface Packed {
  path: string;
  size: number;
}

const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: BUILT_PACKAGE,
  encoding: 'utf8',
});
const [{ files }] = JSON.parse(output) as [{ files: Packed[] }];
const text = (path: string) => readFileSync(BUILT_PACKAGE + path, 'utf8');
const named = (extension: string) =>
  files.map(({ path }) => path).filter(path => path.endsWith(extension) && !path.startsWith('dist/schematics/'));

describe('the package', () => {
  it('contains the builds, their declarations and what a reader needs; neither tests nor sources', () => {
    expect(files.filter(({ path }) => !EXPECTED.some(pattern => pattern.test(path)))).toEqual([]);
    expect(files.length).toBeGreaterThan(50);
  });

  it.each(Object.entries(LIMITS))('does not grow unnoticed: %s', (_, { limit, holds }) => {
    const bytes = files.filter(({ path }) => holds.test(path)).reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(limit);
  });

  it('has no part without a limit', () => {
    const parts = Object.values(LIMITS);
    expect(files.filter(({ path }) => parts.filter(({ holds }) => holds.test(path)).length !== 1)).toEqual([]);
  });

  it('names in its declarations only packages that every application has', () => {
    const declarations = [...named('.d.ts'), ...named('.d.cts')].map(text).join('\n');
    const packages = [...declarations.matchAll(/(?:from|import)\s*\(?\s*['"]([^.'"][^'"]*)['"]/g)].map(
      ([, name]) => name,
    );
    expect([...new Set(packages)].toSorted()).toEqual([
      '@nestjs/common',
      '@nestjs/core',
      'node:crypto',
      'node:http',
      'rxjs',
      'typeorm',
    ]);
    expect(declarations).not.toContain('/// <reference');
  });

  it('has server code in lines that can be read, without source maps', () => {
    const paths = [...named('.js'), ...named('.cjs')].filter(path => path !== 'dist/client/index.js');
    expect(paths.length).toBeGreaterThan(20);
    for (const path of paths) {
      const lines = text(path).split('\n');
      expect(lines.filter(line => line.length > MAX_LINE_LENGTH && !/^(import|export) \{/.test(line))).toEqual([]);
    }
    expect(named('.map')).toEqual([]);
  });

  it.each([
    ['ES module', 'nestjs-jwt-session/verifier'],
    ['CommonJS', './dist/verifier/index.cjs'],
  ])('prints an error at start behind no more than a short line of its code: %s', (_, verifier) => {
    const script = `
      import { NestFactory } from '@nestjs/core';
      import { SessionVerifierModule } from '${verifier}';
      const module = SessionVerifierModule.forRoot({ issuer: 5 });
      await NestFactory.createApplicationContext(module, { abortOnError: false, logger: false });
    `;
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: BUILT_PACKAGE,
      encoding: 'utf8',
    });
    expect(stderr).toMatch(
      /^(file:)?\/.*\n.{0,200}\n.{0,200}\n+SessionOptionsError: SessionVerifierModule cannot start/,
    );
  });

  it('says where it comes from', () => {
    const manifest = JSON.parse(text('package.json')) as Record<string, unknown>;
    expect(manifest).toMatchObject({
      repository: { url: expect.stringMatching(/^git\+https:/) },
      homepage: expect.stringMatching(/^https:/),
      bugs: expect.stringMatching(/^https:/),
      publishConfig: { provenance: true },
    });
    expect(text('CHANGELOG.md').match(/^## /gm)).toHaveLength(1);
    expect(text('CHANGELOG.md')).toContain(`## ${String(manifest.version)}`);
  });

  it('has absolute links in its README', () => {
    const folder = mkdtempSync(join(tmpdir(), 'jwt-session-readme-'));
    const run = (mode: string) =>
      execFileSync(process.execPath, [join(BUILT_PACKAGE, '.ci', 'readme-links.mjs'), mode], { cwd: folder });
    mkdirSync(join(folder, 'build'));
    for (const name of ['README.md', 'package.json']) cpSync(join(BUILT_PACKAGE, name), join(folder, name));
    run('absolute');
    run('absolute');
    const packed = readFileSync(join(folder, 'README.md'), 'utf8');
    run('restore');
    const restored = readFileSync(join(folder, 'README.md'), 'utf8');
    rmSync(folder, { recursive: true });
    const links = [...packed.matchAll(/\]\(([^)]+)\)|(?:src|href)="([^"]+)"/g)].map(([, one, other]) => one ?? other!);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter(link => !/^(https?:|#)/.test(link))).toEqual([]);
    expect(restored).toBe(text('README.md'));
  });

  it.each(['.js', '.cjs'])('has each class once in its %s files, under its own name', extension => {
    const classes = named(extension).flatMap(path =>
      [...text(path).matchAll(/\bclass ([A-Z][\w$]*)/g)].map(([, name]) => name!),
    );
    expect(classes.length).toBeGreaterThan(100);
    expect(classes.filter((name, index) => name.includes('$') || classes.indexOf(name) !== index)).toEqual([]);
  });
});
