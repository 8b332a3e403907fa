import pg from 'pg';
import { findBinaries } from '../../../dist/schematics/database/binaries.js';
import { startTemporaryPostgres } from '../../../dist/schematics/database/temporary-postgres.js';
import { SETTINGS } from './settings.mjs';

/** Connections of each contestant's pool. */
export const POOL_SIZE = 10;

/**
 * Starts a server for as long as `use` runs.
 *
 * @template T
 * @param {(server: { url: string, createDatabase(name: string): Promise<string> }) => Promise<T>} use
 */
export async function withPostgres(use) {
  const server = await startTemporaryPostgres(findBinaries(process.cwd()), SETTINGS);
  try {
    return await use({ url: server.url, createDatabase: name => createDatabase(server.url, name) });
  } finally {
    await server.stop();
  }
}

/** @returns the database's URL */
async function createDatabase(url, name) {
  await onConnection(url, client => client.query(`CREATE DATABASE ${name}`));
  const created = new URL(url);
  created.pathname = `/${name}`;
  return created.href;
}

/**
 * @template T
 * @param {(client: pg.Client) => Promise<T>} use
 */
export async function onConnection(url, use) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

export function createPool(url, size = POOL_SIZE) {
  const pool = new pg.Pool({ connectionString: url, max: size });
  // `end` does not wait until all are closed: the server may be faster. A query would still fail by itself.
  pool.on('error', () => {});
  return pool;
}
