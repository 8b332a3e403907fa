import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionEvent } from 'nestjs-jwt-session';
import { freePort } from '../../lib/schematics/database/free-port.js';
import type { Network } from './network.js';
import type { ApplicationSettings, Order } from './settings.js';

const ROOT = join(import.meta.dirname, '../..');

export type TheftEvent = Extract<SessionEvent, { type: 'session.theft' }>;

export interface ProcessReports {
  readonly theft: (event: TheftEvent, process: string) => void;
  /** A process printed an unhandled error, or ended without a signal. */
  readonly defect: (description: string) => void;
}

/** Node's messages about unhandled rejections and errors, and about leaks of listeners. */
const DEFECT = /Unhandled|uncaught|MaxListenersExceeded|ERR_UNHANDLED/i;

/** A process of the application, with its supervisor: when it ends it is started again. */
export class ApplicationProcess {
  private child?: ChildProcess;
  private isWanted = false;
  private supervising: Promise<void> = Promise.resolve();
  private output = '';

  private constructor(
    readonly name: string,
    readonly network: Network,
    private settings: Omit<ApplicationSettings, 'databaseUrl'>,
    private readonly reports: ProcessReports,
  ) {}

  static async create(
    name: string,
    network: Network,
    settings: Omit<ApplicationSettings, 'databaseUrl' | 'port'>,
    reports: ProcessReports,
  ): Promise<ApplicationProcess> {
    return new ApplicationProcess(name, network, { ...settings, port: await freePort() }, reports);
  }

  get url(): string {
    return `http://127.0.0.1:${this.settings.port}`;
  }

  get lastOutput(): string {
    return this.output;
  }

  /** Starts the process, and starts it again until it listens. */
  async start(): Promise<void> {
    this.isWanted = true;
    while (this.isWanted && !(await this.launch())) await sleep(300);
  }

  private async launch(): Promise<boolean> {
    const databaseUrl = `postgres://postgres@127.0.0.1:${this.network.port}/postgres`;
    const child = spawn(
      process.execPath,
      ['--expose-gc', '--import', join(ROOT, 'test/support/typescript.mjs'), join(ROOT, 'test/faults/application.ts')],
      {
        cwd: ROOT,
        env: { PATH: process.env.PATH, APPLICATION: JSON.stringify({ ...this.settings, databaseUrl }) },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      },
    );
    this.child = child;
    const read = (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-20_000));
    child.stdout!.on('data', read);
    child.stderr!.on('data', (chunk: Buffer) => {
      read(chunk);
      if (DEFECT.test(chunk.toString()))
        this.reports.defect(`${this.name} printed: ${chunk.toString().slice(0, 2_000)}`);
    });
    child.on('message', (message: { listening?: true; theft?: TheftEvent }) => {
      if (message.theft) this.reports.theft(message.theft, this.name);
    });
    const isListening = await Promise.race([
      once(child, 'message').then(() => true),
      once(child, 'exit').then(() => false),
    ]);
    if (isListening) child.once('exit', (code, signal) => this.ended(code, signal));
    return isListening;
  }

  private ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.isWanted) return;
    if (signal !== 'SIGKILL') this.reports.defect(`${this.name} ended by itself with ${code ?? signal}`);
    this.supervising = this.start();
  }

  /** Sends a signal: `SIGKILL`, after which it is started again, `SIGSTOP`, `SIGCONT`. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  order(order: Order): void {
    if (this.child?.connected) this.child.send(order, () => undefined);
  }

  /** Ends it as a deployment does, and starts it with other settings. */
  async replace(settings: Partial<ApplicationSettings>): Promise<void> {
    await this.stop();
    this.settings = { ...this.settings, ...settings };
    await this.start();
  }

  async stop(): Promise<void> {
    this.isWanted = false;
    await this.supervising;
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const killer = setTimeout(() => {
      this.reports.defect(`${this.name} did not end within 30 s after SIGTERM`);
      child.kill('SIGKILL');
    }, 30_000);
    await once(child, 'exit');
    clearTimeout(killer);
  }
}
