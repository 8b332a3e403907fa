import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../lib/schematics/database/free-port.js';
import type { TestDatabase } from './database.js';
import { until } from './until.js';

/** On Debian servers are in a folder that is only in root's PATH. */
const PATH = `${process.env.PATH}:/usr/sbin`;
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

export const hasPgBouncer = spawnSync('pgbouncer', ['--version'], { env: { PATH } }).status === 0;

/** pgbouncer in transaction mode in front of a test database: each transaction may get another server connection. */
export class PgBouncer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static async inFrontOf(database: TestDatabase): Promise<PgBouncer> {
    const target = new URL(database.url);
    const folder = mkdtempSync(join(isRoot ? '/var/tmp' : '/tmp', 'jwt-session-pgbouncer-'));
    const port = await freePort();
    const users = join(folder, 'users.txt');
    const settings = join(folder, 'pgbouncer.ini');
    writeFileSync(users, `"${target.username}" "${target.password}"\n`);
    writeFileSync(
      settings,
      `[databases]
      ${database.name} = host=${target.hostname} port=${target.port} user=${target.username} password=${target.password}
      [pgbouncer]
      listen_addr = 127.0.0.1
      listen_port = ${port}
      unix_socket_dir =
      auth_type = any
      auth_file = ${users}
      pool_mode = transaction
      default_pool_size = 3
      `.replaceAll(/^ +/gm, ''),
    );
    // It refuses to run as root.
    spawnSync('chown', ['-R', isRoot ? String(NOBODY) : String(process.getuid?.()), folder]);
    const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
    const child = spawn('pgbouncer', ['-q', settings], { env: { PATH }, stdio: 'ignore', ...identity });
    await until(() => accepts(port));
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(port);
    return new PgBouncer(child, folder, url.href);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
