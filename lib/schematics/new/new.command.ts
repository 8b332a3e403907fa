import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { own } from '../add/packages.js';

export interface NewOptions {
  readonly name: string;
  readonly accounts: boolean;
  readonly platform: 'express' | 'fastify';
  readonly skipInstall: boolean;
}

const COLLECTION = join(__dirname, '..', 'collection.json');
// The Nest CLI brings the schematics, TypeScript, and what runs them.
const NEST_CLI = '@nestjs/cli@^12.0.0';

/**
 * `nestjs-jwt-session new`: makes an application by Nest's own schematic and ours.
 *
 * @returns the exit status
 * @throws Error before anything was written where the name or the folder will not do
 */
export function newApplication({ name, accounts, platform, skipInstall }: NewOptions): number {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    throw new Error(`"${name}" is no name for an application: take lower-case letters, digits and dashes.`);
  }
  const folder = resolve(name);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new Error(`The folder ${name} is not empty.`);

  schematic('.', ['@nestjs/schematics:application', `--name=${name}`, '--type=esm', '--language=ts', '--strict']);
  const options = [`--platform=${platform}`, `--accounts=${accounts}`, `--package=${ownSpecifier()}`];
  schematic(folder, [`${COLLECTION}:application`, '--allow-private', '--no-debug', ...options]);
  if (!skipInstall) run(folder, ['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error']);

  const steps = [`cd ${name}`, ...(skipInstall ? ['npm install'] : []), 'npm start'];
  console.log(`\n${name} is ready:\n\n${steps.map(step => `  ${step}`).join('\n')}\n\nIts README shows how to log in.`);
  return 0;
}

function schematic(folder: string, parameters: readonly string[]): void {
  const npx = ['npx', '--yes', '--loglevel=error', '--package', NEST_CLI, '--', 'schematics', '--no-interactive'];
  run(folder, [...npx, ...parameters]);
}

function run(folder: string, [command, ...parameters]: readonly string[]): void {
  // Nothing to read from: nothing can ask. Windows finds npm through its shell only.
  const { status, error } = spawnSync(command!, parameters, {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(error?.message ?? `${command} ${parameters.join(' ')} failed.`);
}

/** What the application's package.json asks for: the file from which npx runs us, or our version of the registry. */
function ownSpecifier(): string {
  const modules = resolve(__dirname, '..', '..', '..', '..');
  const lock = join(modules, '.package-lock.json');
  const installed = existsSync(lock) ? (JSON.parse(readFileSync(lock, 'utf8')) as Lock).packages : {};
  const resolved = installed[`node_modules/${own.name}`]?.resolved;
  return resolved?.startsWith('file:') ? `file:${resolve(dirname(modules), resolved.slice(5))}` : `^${own.version}`;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string } | undefined>>;
}
