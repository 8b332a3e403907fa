import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../sample/app/embedded-postgres.js';

/** A PostgreSQL server that no other suite uses. */
export interface OwnServer {
  readonly url: string;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** For what belongs to a whole server: its settings, its notification queue, the oldest transaction of any database. */
export async function startOwnServer(settings: string[] = []): Promise<OwnServer> {
  const folder = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : tmpdir(), 'jwt-session-own-'));
  const server = await startEmbeddedPostgres(folder, ['fsync=off', ...settings]);
  return {
    url: server.url,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
