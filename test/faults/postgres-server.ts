import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chownSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { findBinaries, identity, run } from '../../lib/schematics/database/binaries.js';
import { freePort } from '../../lib/schematics/database/free-port.js';
import { openFolder } from '../../lib/schematics/database/temporary-postgres.js';
import { SmallDisk } from './small-disk.js';

const READY = /database system is ready to accept (read-only )?connections/;

/** What a server runs on. */
export interface Machine {
  /** Its disk can be filled up, which needs the right to mount. */
  readonly hasSmallDisk?: boolean;
  /** Path of libfaketime: its clock can be set. */
  readonly faketime?: string;
}

/** A PostgreSQL server that can crash, and of which a standby can be made. It keeps its port. */
export class PostgresServer {
  private process?: ChildProcess;

  private constructor(
    private readonly binaries: string,
    private readonly folder: string,
    readonly port: number,
    private readonly machine: Machine,
    private readonly disk: SmallDisk | undefined,
  ) {}

  /** A new and empty server. */
  static async create(machine: Machine): Promise<PostgresServer> {
    const server = await this.prepare(machine);
    run(join(server.binaries, 'bin', 'initdb'), ['-D', server.data, '-U', 'postgres', '-A', 'trust', '--no-locale']);
    await server.start();
    return server;
  }

  private static async prepare(machine: Machine): Promise<PostgresServer> {
    const folder = mkdtempSync(join(openFolder(), 'faults-'));
    if (identity.uid !== undefined) chownSync(folder, identity.uid, identity.gid!);
    const disk = machine.hasSmallDisk ? SmallDisk.mount(folder) : undefined;
    if (machine.hasSmallDisk && !disk) {
      throw new Error('This process may not mount a small disk: run it as root, or without one');
    }
    return new PostgresServer(findBinaries(process.cwd()), folder, await freePort(), machine, disk);
  }

  get url(): string {
    return this.urlAt(this.port);
  }

  private urlAt(port: number): string {
    return `postgres://postgres@127.0.0.1:${port}/postgres`;
  }

  private get data(): string {
    return join(this.folder, 'data');
  }

  /** Also repeats the start until the processes of a server that crashed are gone. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const output = await this.launch();
      if (READY.test(output)) return;
      if (attempt === 50) throw new Error(`PostgreSQL did not start:\n${output}`);
      await sleep(200);
    }
  }

  private async launch(): Promise<string> {
    const settings = ['listen_addresses=127.0.0.1', `port=${this.port}`, 'unix_socket_directories=', 'fsync=off'];
    const wanted = [...settings, 'max_connections=100', 'wal_keep_size=256MB', 'wal_receiver_timeout=5s'];
    const child = spawn(
      join(this.binaries, 'bin', 'postgres'),
      ['-D', this.data, ...wanted.flatMap(setting => ['-c', setting])],
      { ...identity, cwd: this.folder, env: this.environment, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.process = child;
    let output = '';
    return new Promise(resolve => {
      child.stderr!.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-4_000);
        if (READY.test(output)) resolve(output);
      });
      child.once('exit', () => resolve(output));
    });
  }

  /** `SIGINT` shuts it down, which ends its connections; after `SIGKILL` it recovers from its log. */
  async stop(signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<void> {
    const { process } = this;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    process.kill(signal);
    await once(process, 'exit');
  }

  private get environment(): NodeJS.ProcessEnv {
    const { faketime } = this.machine;
    if (faketime === undefined) return process.env;
    this.setClock(0);
    return {
      ...process.env,
      LD_PRELOAD: faketime,
      FAKETIME_TIMESTAMP_FILE: this.time,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  private get time(): string {
    return join(this.folder, 'time');
  }

  /** @param ahead milliseconds */
  setClock(ahead: number): void {
    // A process of the server must not read half of it.
    writeFileSync(`${this.time}.new`, `${ahead < 0 ? '-' : '+'}${Math.abs(ahead) / 1_000}`);
    renameSync(`${this.time}.new`, this.time);
  }

  get hasOwnDisk(): boolean {
    return this.disk !== undefined;
  }

  /** No byte is left: neither tables nor the log can grow. */
  fillDisk(): void {
    this.disk!.fill();
  }

  /** Starts the server again if it has given up. */
  async emptyDisk(): Promise<void> {
    this.disk!.empty();
    if (this.process!.exitCode !== null || this.process!.signalCode !== null) await this.start();
  }

  async remove(): Promise<void> {
    await this.stop();
    this.disk?.unmount();
    // A process of a server that crashed may still write.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }

  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: this.url, query_timeout: 60_000, connectionTimeoutMillis: 60_000 });
    // The server may go away meanwhile; the query then fails.
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /**
   * Makes a standby that streams from this server.
   *
   * @param primaryPort the port at which it finds this server
   */
  async standby(primaryPort: number): Promise<PostgresServer> {
    const standby = await PostgresServer.prepare(this.machine);
    try {
      await this.copyTo(standby);
      standby.write('standby.signal', '');
      const connection = `host=127.0.0.1 port=${primaryPort} user=postgres`;
      appendFileSync(join(standby.data, 'postgresql.auto.conf'), `primary_conninfo = '${connection}'\n`);
      await standby.start();
      return standby;
    } catch (error) {
      await standby.remove();
      throw error;
    }
  }

  /** A base backup: pg_basebackup is not among the embedded binaries. */
  private async copyTo(standby: PostgresServer): Promise<void> {
    const client = new Client(this.url);
    await client.connect();
    try {
      await client.query("SELECT pg_backup_start('standby', true)");
      run('cp', ['-a', this.data, standby.data]);
      const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
      rmSync(join(standby.data, 'postmaster.pid'), { force: true });
      standby.write('backup_label', rows[0]!.labelfile);
    } finally {
      await client.end();
    }
  }

  /** Of a server that is stopped. */
  copyFiles(): void {
    run('cp', ['-a', this.data, `${this.data}.copy`]);
  }

  restoreFiles(): void {
    rmSync(this.data, { recursive: true });
    renameSync(`${this.data}.copy`, this.data);
  }

  async promote(): Promise<void> {
    await this.query('SELECT pg_promote(true, 120)');
  }

  private write(name: string, content: string): void {
    const path = join(this.data, name);
    writeFileSync(path, content);
    if (identity.uid !== undefined) chownSync(path, identity.uid, identity.gid!);
  }
}
