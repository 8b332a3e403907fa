import pg from 'pg';
import { findBinaries } from '../../dist/schematics/database/binaries.js';
import { startTemporaryPostgres } from '../../dist/schematics/database/temporary-postgres.js';

/** One server for the whole run; every suite has a database of its own on it. */
export default async function setUp() {
  if (process.env.DATABASE_URL) {
    process.env.TEST_DATABASE_URL = process.env.DATABASE_URL;
    return;
  }
  const server = await startTemporaryPostgres(findBinaries(process.cwd()), ['max_connections=400']);
  globalThis.stopPostgres = server.stop;
  await makePasswordQuick(server.url);
  process.env.TEST_DATABASE_URL = server.url;
}

/** Tests connect thousands of times, and a random password needs no slow hash. */
async function makePasswordQuick(url) {
  const client = new pg.Client(url);
  await client.connect();
  await client.query('SET scram_iterations = 1');
  await client.query(`ALTER USER postgres PASSWORD ${client.escapeLiteral(new URL(url).password)}`);
  await client.end();
}
