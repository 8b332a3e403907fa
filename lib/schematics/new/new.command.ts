import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { own } from '../add/packages.js';
import type { ApplicationOptions } from './options.js';

export interface NewOptions extends Omit<ApplicationOptions, 'package'> {
  readonly name: string;
  readonly skipInstall: boolean;
  readonly skipGit: boolean;
}

const COLLECTION = join(__dirname, '..', 'collection.json');
// The Nest CLI has the schematics, TypeScript, and the command that runs them.
const NEST_CLI = '@nestjs/cli@^12.0.0';

const INSTALL = {
  npm: ['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error'],
  pnpm: ['pnpm', 'install'],
  yarn: ['yarn', 'install'],
};

/**
 * `nestjs-jwt-session new`: makes an application by Nest's own schematic and by the one of this package.
 *
 * @returns the exit status
 * @throws Error before anything is written if the name or the folder cannot be used
 */
export function newApplication({ name, skipInstall, skipGit, ...application }: NewOptions): number {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    throw new Error(`"${name}" is no name for an application: take lower-case letters, digits and dashes.`);
  }
  const folder = resolve(name);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new Error(`The folder ${name} is not empty.`);
  const { packageManager } = application;
  if (!skipInstall && succeeds([packageManager, '--version']) === false) {
    throw new Error(`${packageManager} is not installed: install it, or choose another one by --package-manager.`);
  }

  schematic('.', ['@nestjs/schematics:application', `--name=${name}`, '--type=esm', '--language=ts', '--strict']);
  const { accounts, page, platform } = application;
  const values = { accounts, page, platform, 'package-manager': packageManager, package: ownSpecifier() };
  const options = Object.entries(values).map(([key, value]) => `--${key}=${value}`);
  schematic(folder, [`${COLLECTION}:application`, '--allow-private', '--no-debug', ...options]);
  if (!skipInstall) {
    run(folder, INSTALL[packageManager]);
    // The sources are formatted by the application's own prettier, which is installed now.
    run(folder, [packageManager, 'run', 'format'], 'ignore');
  }
  if (!skipGit && !succeeds(['git', 'rev-parse', '--is-inside-work-tree'], folder)) {
    if (!succeeds(['git', 'init', '--quiet'], folder))
      console.error('There is no git repository: git init has failed.');
  }

  const steps = [`cd ${name}`, ...(skipInstall ? [`${packageManager} install`] : []), `${packageManager} start`];
  console.log(`\n${name} is ready:\n\n${steps.map(step => `  ${step}`).join('\n')}\n\nIts README shows how to log in.`);
  return 0;
}

function schematic(folder: string, parameters: readonly string[]): void {
  const npx = ['npx', '--yes', '--loglevel=error', '--package', NEST_CLI, '--', 'schematics', '--no-interactive'];
  run(folder, [...npx, ...parameters]);
}

// The commands cannot ask, because they have no input. Windows finds npm through its shell only.
const PLATFORM = { shell: process.platform === 'win32' };

function run(folder: string, command: readonly string[], output: 'inherit' | 'ignore' = 'inherit'): void {
  const [file, ...parameters] = command;
  const stdio = ['ignore', output, 'inherit'] as const;
  const { status, error } = spawnSync(file!, parameters, { ...PLATFORM, cwd: folder, stdio: [...stdio] });
  if (status !== 0) throw new Error(error?.message ?? `${command.join(' ')} failed.`);
}

function succeeds([file, ...parameters]: readonly string[], folder = '.'): boolean {
  return spawnSync(file!, parameters, { ...PLATFORM, cwd: folder, stdio: 'ignore' }).status === 0;
}

/** The version in the application's package.json: the file from which npx runs this command, or the registry's. */
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
