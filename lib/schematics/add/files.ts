import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @returns a file of those that applications get */
export function template(name: string): string {
  return readFileSync(join(__dirname, '..', 'files', `${name}.template`), 'utf8');
}
