import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The suites of a folder, in one go: loading Nest and TypeORM, and running their code for the first time, takes most
 * suites longer than their tests.
 */
export async function importSuites(folder: string): Promise<void> {
  for (const name of readdirSync(folder).sort()) {
    if (name.endsWith('.spec.ts')) await import(join(folder, name));
  }
}
