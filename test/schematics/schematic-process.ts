import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BUILT_PACKAGE } from '../support/built-package.js';
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

/** What `nest new` writes to `.prettierrc`. */
const PRETTIER = { singleQuote: true, trailingComma: 'all' };

/** Runs schematics of the built package in memory, in the folder of an application that has its packages only. */
export class SchematicProcess {
  private readonly folder = mkdtempSync(join(tmpdir(), 'jwt-session-schematics-'));
  private readonly child: ChildProcess;
  private last = 0;

  /** @param prettier the application's configuration of prettier */
  constructor(prettier: object = PRETTIER) {
    symlinkSync(resolve('node_modules'), join(this.folder, 'node_modules'));
    writeFileSync(join(this.folder, '.prettierrc'), JSON.stringify(prettier));
    const collection = join(BUILT_PACKAGE, 'dist/schematics/collection.json');
    this.child = fork(resolve('test/schematics/run-schematics.mjs'), [collection], { cwd: this.folder });
  }

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
    rmSync(this.folder, { recursive: true });
  }
}
