import type { Rule, SchematicContext } from '@angular-devkit/schematics';
import { chmodSync } from 'node:fs';

/** Runs after the files were written, because a schematic's tree has no file modes: only the owner may read secrets. */
export const protect =
  ({ files }: { files: readonly string[] }): Rule =>
  tree => {
    for (const file of files) chmodSync(file, 0o600);
    return tree;
  };

export function protectSecrets(context: SchematicContext, files: readonly string[]): void {
  runAfterwards(context, 'run-schematic', { name: 'protect', options: { files } });
}

/** The devkit's tasks are classes that only answer with this; so it need not be there at run time. */
export function runAfterwards(context: SchematicContext, name: string, options: object): void {
  context.addTask({ toConfiguration: () => ({ name, options }) });
}
