import { describe } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { freePort } from '../../lib/schematics/database/free-port.js';
import { until } from './until.js';

const NAMES = ['valkey-server', 'redis-server'];
const program = NAMES.find(name => spawnSync(name, ['--version']).status === 0);

/** With REQUIRE_REDIS, as in `.ci/run`, a missing server fails the suite. */
const runSuite = program || process.env.REQUIRE_REDIS ? describe : describe.skip;
const hint = program ? '' : ' (skipped: no Redis; run apt-get install redis-server)';

/** A suite that needs Valkey or Redis. Without it, the message says how to install it. */
export function describeWithRedis(title: string, suite: () => void): void {
  runSuite(title + hint, suite);
}

/** A server of Valkey or Redis that stores nothing. */
export class RedisServer {
  private child!: ChildProcess;

  private constructor(private readonly port: number) {}

  static async start(): Promise<RedisServer> {
    if (!program) throw new Error('no Redis: run apt-get install redis-server');
    const server = new RedisServer(await freePort());
    await server.run();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again after `kill()`. */
  async run(): Promise<void> {
    const settings = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.child = spawn(program!, settings, { stdio: 'ignore' });
    await until(() => this.accepts());
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Leaves its connections open, and answers nothing until `resume()`. */
  suspend(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  private accepts(): Promise<boolean> {
    return new Promise(resolve => {
      const socket = connect(this.port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
  }
}
