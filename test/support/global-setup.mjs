import pg from 'pg';
import { build, findNeeds, loadPostgres } from './prepare.mjs';

/** Prepares what the chosen specs need: the built package, the built samples, one database server for the whole run. */
export default async function setUp({ nonFlagArgs = [] }) {
  const needs = findNeeds(nonFlagArgs);
  build(needs);
  if (!needs.has('database')) return;
  if (process.env.DATABASE_URL) {
    process.env.TEST_DATABASE_URL = process.env.DATABASE_URL;
    return;
  }
  const { findBinaries, startTemporaryPostgres } = loadPostgres();
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
