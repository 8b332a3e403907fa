import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Bytes, source maps not counted. Raise it knowingly: two builds of the code are three quarters of it. */
const LIMIT = 700_000;

const EXPECTED = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
  /^dist\/((testing|client|verifier|accounts|accounts\/testing)\/)?index\.(c?js(\.map)?|d\.c?ts)$/,
  /^dist\/shared\/[a-z_.-]+\.(c?js(\.map)?|d\.cts)$/,
  /^dist\/schematics\/(bin\.js|collection\.json|package\.json|(add|database|new|source)\/[a-z.-]+\.(js|json))$/,
  /^dist\/schematics\/files\/[a-zA-Z\d.-]+\.template$/,
  /^dist\/(session\.types\.d\.cts|THIRD-PARTY-NOTICES\.txt)$/,
];

interface Packed {
  path: string;
  size: number;
}

const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
});
const [{ files }] = JSON.parse(output) as [{ files: Packed[] }];
const text = (path: string) => readFileSync(root + path, 'utf8');
const named = (extension: string) =>
  files.map(({ path }) => path).filter(path => path.endsWith(extension) && !path.startsWith('dist/schematics/'));

describe('the package', () => {
  it('contains the builds, their declarations and what a reader needs; neither tests nor sources', () => {
    expect(files.filter(({ path }) => !EXPECTED.some(pattern => pattern.test(path)))).toEqual([]);
    expect(files.length).toBeGreaterThan(50);
  });

  it('does not grow unnoticed', () => {
    const counted = files.filter(({ path }) => !path.endsWith('.map'));
    expect(counted.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(LIMIT);
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

  it('has a source map with every script, and the sources in those of the ES modules', () => {
    const scripts = [...named('.js'), ...named('.cjs')];
    expect(named('.map').toSorted()).toEqual(scripts.map(path => `${path}.map`).toSorted());
    for (const path of scripts) expect(text(path)).toMatch(/\n\/\/# sourceMappingURL=\S+\.map\n$/);
    const { sources, sourcesContent } = JSON.parse(text('dist/testing/index.js.map')) as Record<string, string[]>;
    expect(sources).toContain('../../lib/testing/sign-in-as.ts');
    expect(sourcesContent!.join('\n')).toContain('export async function signInAs');
  });

  it.each(['.js', '.cjs'])('has each class once in its %s files, under its own name', extension => {
    const classes = named(extension).flatMap(path =>
      [...text(path).matchAll(/\bclass ([A-Z][\w$]*)/g)].map(([, name]) => name!),
    );
    expect(classes.length).toBeGreaterThan(100);
    expect(classes.filter((name, index) => name.includes('$') || classes.indexOf(name) !== index)).toEqual([]);
  });
});
