import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../lib/schematics/database/free-port.js';
import type { TestDatabase } from './database.js';

const MOVABLE_CLOCK = fileURLToPath(new URL('movable-clock.mjs', import.meta.url));

/** The built sample in a process of its own. */
export class SampleProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    private readonly lines: () => string,
  ) {}

  /** Everything that it has printed. */
  get output(): string {
    return this.lines();
  }

  static start(database: TestDatabase, environment: Record<string, string> = {}): Promise<SampleProcess> {
    return this.run('sample/app/dist/main.js', { DATABASE_URL: database.url, ...environment });
  }

  /** The service that verifies the tokens of another sample. */
  static startVerifier({ url }: SampleProcess, environment: Record<string, string> = {}): Promise<SampleProcess> {
    return this.run('sample/verifier/dist/main.js', { JWKS_URI: `${url}/.well-known/jwks.json`, ...environment });
  }

  /** @param entry the built file of any sample */
  static async run(entry: string, environment: Record<string, string>): Promise<SampleProcess> {
    const port = environment.PORT ?? String(await freePort());
    const child = spawn(process.execPath, ['--import', MOVABLE_CLOCK, entry], {
      env: { PATH: process.env.PATH, PORT: port, ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let output = '';
    const listening = new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output += chunk.toString();
        if (/The (sample|service) listens on/.test(output)) resolve();
      };
      child.stdout!.on('data', read);
      child.stderr!.on('data', read);
      child.once('exit', () => reject(new Error(`the sample did not start:\n${output}`)));
    });
    await listening;
    const scheme = environment.KEY_BINDING ? 'https' : 'http';
    return new SampleProcess(child, `${scheme}://127.0.0.1:${port}`, () => output);
  }

  /** Moves its clock, and not that of its database. */
  async advance(milliseconds: number): Promise<void> {
    const moved = once(this.child, 'message');
    this.child.send({ pass: milliseconds });
    await moved;
  }

  /** Suspends it (`SIGSTOP`) or lets it go on (`SIGCONT`). */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    this.child.kill(signal);
    const [code] = (await once(this.child, 'exit')) as [number | null];
    return code;
  }
}
