import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identity } from './binaries.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';

/** @returns a folder that the server can read and write, although it does not run as root */
export function openFolder(): string {
  return identity.uid === undefined ? tmpdir() : '/var/tmp';
}

/**
 * Starts a server that does not wait for the disk and whose data is removed when it stops.
 *
 * @param binaries the result of `findBinaries`
 * @param settings server settings such as `max_connections=400`
 */
export async function startTemporaryPostgres(
  binaries: string,
  settings: readonly string[] = [],
): Promise<EmbeddedPostgres> {
  const folder = mkdtempSync(join(openFolder(), 'postgres-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const server = await startEmbeddedPostgres(binaries, folder, ['fsync=off', ...settings]);
    return { url: server.url, stop: () => server.stop().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}
