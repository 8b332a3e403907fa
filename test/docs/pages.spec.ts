import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { CODE_BLOCKS, headingsOf, LINKS, nameOf, PAGES, tableOf, textOf } from './pages.js';

/** What a checked-out repository holds beside the pages. */
const isFile = (path: string) => existsSync(path) && !path.startsWith('..');

/** The other spec files here know what to do with these, and with no others. */
const LANGUAGES = ['ts', 'sh', 'sql', 'json', 'mermaid'];

describe('the documentation', () => {
  it.each(PAGES)('%s: every link leads somewhere', page => {
    const links = LINKS.filter(link => link.page === page && !/^https?:/.test(link.target));
    const broken = links.filter(({ target }) => {
      const [path, anchor] = target.split('#');
      const to = path === '' ? page : normalize(join(dirname(page), path!));
      if (!isFile(to)) return true;
      return anchor !== undefined && !headingsOf(to).some(heading => heading.anchor === anchor);
    });
    expect(broken).toEqual([]);
  });

  it('every page can be reached from README', () => {
    const linked = LINKS.filter(link => link.page === 'README.md').map(({ target }) => target.split('#')[0]);
    expect(PAGES.filter(page => page !== 'README.md' && !linked.includes(page))).toEqual([]);
  });

  it('CONTRIBUTING names every folder of lib and of test', () => {
    const foldersOf = (path: string) => readdirSync(path, { withFileTypes: true }).filter(entry => entry.isDirectory());
    const rows = tableOf('CONTRIBUTING.md', 'lib', 'holds');
    expect(
      rows
        .map(([folder]) => folder)
        .slice(1)
        .sort(),
    ).toEqual(
      foldersOf('lib')
        .map(({ name }) => name)
        .sort(),
    );
    const tested = rows.flatMap(([, , folders]) => folders!.split(', '));
    const beside = [...textOf('CONTRIBUTING.md').matchAll(/`test\/([a-z-]+)`/g)].map(([, folder]) => folder!);
    expect([...new Set([...tested, ...beside])].sort()).toEqual(
      foldersOf('test')
        .map(({ name }) => name)
        .sort(),
    );
  });

  it('README is for the first ten minutes', () => {
    expect(textOf('README.md').length).toBeLessThan(18_000);
    expect(textOf('README.md')).toContain('npm ci && npm start');
    expect(textOf('README.md')).toContain('npm ci && npm test');
  });

  it('every code block is of a language that is checked', () => {
    expect(CODE_BLOCKS.length).toBeGreaterThan(20);
    expect(CODE_BLOCKS.filter(({ language }) => !LANGUAGES.includes(language)).map(nameOf)).toEqual([]);
  });

  it('no fence is left open', () => {
    for (const page of PAGES) {
      const fences = textOf(page).match(/^ *```/gm) ?? [];
      expect(fences).toHaveLength(2 * CODE_BLOCKS.filter(block => block.page === page).length);
    }
  });

  it.each(blocksOf('json'))('%s: the JSON can be read', (_, text) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  it.each(blocksOf('mermaid'))('%s: the diagram has states and transitions only', (_, text) => {
    const [kind, ...lines] = text.trim().split('\n');
    expect(kind).toBe('stateDiagram-v2');
    const isKnown = (line: string) => /^ +(direction [LRTB]{2}|(\w+|\[\*\]) --> (\w+|\[\*\])(: .+)?)$/.test(line);
    expect(lines.filter(line => !isKnown(line))).toEqual([]);
  });

  it.each(blocksOf('sh'))('%s: every command exists', (_, text) => {
    const unknown = text
      .trim()
      .split(/\n|&&/)
      .map(line => line.replace(/ +# .*$/, '').trim())
      .filter(command => !isKnownCommand(command));
    expect(unknown).toEqual([]);
  });
});

function blocksOf(language: string): [string, string][] {
  return CODE_BLOCKS.filter(block => block.language === language).map(block => [nameOf(block), block.text]);
}

interface Manifest {
  readonly name: string;
  readonly scripts: Record<string, string>;
  readonly dependencies: object;
  readonly peerDependencies: object;
  readonly devDependencies: object;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;

const PACKAGES = [
  manifest.name,
  ...Object.keys({ ...manifest.peerDependencies, ...manifest.dependencies, ...manifest.devDependencies }),
];

/** Variables that tests and samples read. */
const VARIABLES = [
  'sample/app/settings.ts',
  'test/support/test-app.ts',
  'test/browser/tabs.spec.ts',
  'test/support/chromium.ts',
]
  .map(file => readFileSync(file, 'utf8'))
  .join('\n');

function isKnownCommand(command: string): boolean {
  const variable = /^([A-Z_]+)=\S+ (.*)$/.exec(command);
  if (variable) return VARIABLES.includes(variable[1]!) && isKnownCommand(variable[2]!);
  const [program, verb, ...rest] = command.split(' ');
  // `recipes.spec.ts` runs them.
  if (['curl', 'cp', 'sleep', 'echo'].includes(program!)) return true;
  if (program === 'cd') return true;
  // The package's own generators.
  if (program === 'nest' && verb === 'start') return rest.join(' ') === '--env-file .env';
  if (program === 'nest') return verb === 'add' && rest[0] === manifest.name && 'schematics' in manifest;
  if (program === 'npx' && verb === 'nest') return isKnownCommand(command.slice('npx '.length));
  if (program === 'npx') return verb === manifest.name && 'bin' in manifest;
  if (program !== 'npm') return false;
  const isRunnable = (script: string, paths: readonly string[]) =>
    script in manifest.scripts && paths.every(one => one === '--' || isFile(one));
  switch (verb) {
    case 'ci':
    case 'pack':
      return rest.length === 0;
    case 'install':
      return rest.every(name => name.startsWith('--') || PACKAGES.includes(name.replace(/(?<=.)@\d+$/, '')));
    case 'run':
      return isRunnable(rest[0]!, rest.slice(1));
    default:
      return isRunnable(verb!, rest);
  }
}
