import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { basename } from 'node:path';

/** Removes the data of an application that root has started: PostgreSQL, which root cannot run, keeps them elsewhere. */
export function removeDataOf(folder) {
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  rmSync(`/var/tmp/${basename(folder)}-${hash}`, { recursive: true, force: true });
}
