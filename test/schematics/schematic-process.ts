import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Files } from './applications.js';

export interface Run {
  /** What there is afterwards. */
  readonly files: Files;
  /** What the user reads. */
  readonly log: string;
  readonly tasks: readonly { readonly name: string; readonly options: unknown }[];
  /** Why nothing was done. */
  readonly refusal?: string;
}

/** Runs schematics of the built package in memory. */
export class SchematicProcess {
  private readonly child: ChildProcess = fork('test/schematics/run-schematics.mjs');
  private last = 0;

  async run(name: string, files: Files, options: object = {}): Promise<Run> {
    const id = ++this.last;
    this.child.send({ id, name, files, options });
    for (;;) {
      const [answer] = (await once(this.child, 'message')) as [Run & { id: number }];
      if (answer.id === id) return answer;
    }
  }

  stop(): void {
    this.child.disconnect();
  }
}
