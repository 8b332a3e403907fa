import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../sample/app/dist/embedded-postgres.js';

/** One server for the whole run; every suite has a database of its own on it. */
export default async function setUp() {
  if (process.env.DATABASE_URL) {
    process.env.TEST_DATABASE_URL = process.env.DATABASE_URL;
    return;
  }
  const folder = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : '/tmp', 'jwt-session-test-'));
  const server = await startEmbeddedPostgres(folder, ['fsync=off', 'max_connections=400']);
  process.env.TEST_DATABASE_URL = server.url;
  globalThis.stopPostgres = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
