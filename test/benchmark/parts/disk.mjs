// What a session takes on disk after refreshes, which leave dead versions of its row behind.
import { randomBytes } from 'node:crypto';
import { valuesOf } from '../../../build/common/statement.js';
import { bucketOfSession } from '../../../build/rules/bucket.js';
import { buildRotationStatements } from '../../../build/store/rotation.statements.js';
import { CLIENT, fillSessions, sessionIdOf, tokenHashOf, updatesOf } from '../contestants/filled-sessions.mjs';
import { startLibrary } from '../contestants/library.mjs';
import { createPool, onConnection, withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { shuffled } from '../support/statistics.mjs';

const SESSIONS = 20_000;
const REFRESHES = 10;
/** As many as share a statement in the library. */
const TOGETHER = 16;
/** Statements under way at the same time. */
const LANES = 2;
const TABLES = {
  session: 'jwt_session',
  userAuth: 'jwt_session_user_auth',
  signingKey: 'jwt_session_key',
  notifies: true,
  distributed: false,
};
/** What is stored of the user agent: the option `devices.userAgent`. */
const KEPT = [
  { of: '', userAgent: CLIENT.userAgent },
  { of: ' with a label for its user agent', label: 'Chrome on Windows' },
  { of: ' without its user agent' },
];

/**
 * The rows are written by SQL as `logIn` writes them, and refreshed by the library's own statement, in another order
 * each time, one transaction for as many as share one. Autovacuum runs by its defaults.
 *
 * @returns {Promise<import('../support/result.mjs').Result[]>}
 */
export function measurePart(count = SESSIONS) {
  return withPostgres(async ({ createDatabase }) => {
    const results = [];
    for (const [index, kept] of KEPT.entries()) {
      const url = await createDatabase(`disk_${index}`);
      // Makes the tables.
      await (await startLibrary(url)).close();
      results.push(...(await onConnection(url, client => measureKept(client, url, count, kept))));
    }
    return results;
  });
}

async function measureKept(client, url, count, kept) {
  await fillSessions(client, count, kept);
  const atFirst = await bytesOf(client, count, `${kept.of}, after the login`);
  await refreshAll(url, count, kept);
  const { updates, heapOnly } = await updatesOf(client);
  const share = {
    measure: `heap-only updates${kept.of}`,
    contestant: LIBRARY,
    unit: '%',
    value: (100 * heapOnly) / updates,
  };
  return [...atFirst, ...(await bytesOf(client, count, `${kept.of}, after ${REFRESHES} refreshes`)), share];
}

/** Without the cryptography, which leaves nothing on the disk: any 32 bytes are a hash, and any 20 a salt. */
async function refreshAll(url, count, { userAgent }) {
  const { rotateSeveral } = buildRotationStatements(TABLES, {
    leeway: 0,
    idleLifetime: 30 * 86_400_000,
    isIpBound: false,
    userAgent: { isStored: userAgent !== undefined, isBound: false },
  });
  const pool = createPool(url, LANES);
  const hashes = Array.from({ length: count }, (_, n) => tokenHashOf(n));
  for (let generation = 0; generation < REFRESHES; generation++) {
    console.error(`  refresh ${generation + 1} of ${REFRESHES} of ${count} sessions …`);
    const order = shuffled([...hashes.keys()]);
    let next = 0;
    const lane = async () => {
      while (next < count) {
        const asked = order.slice(next, (next += TOGETHER));
        await refreshTogether(pool, rotateSeveral, asked, generation, hashes);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }
  await pool.end();
}

async function refreshTogether(pool, rotateSeveral, asked, generation, hashes) {
  const successors = asked.map(() => randomBytes(32));
  const values = {
    count: asked.length,
    sessionId: asked.map(sessionIdOf),
    bucket: asked.map(n => bucketOfSession(sessionIdOf(n))),
    generation: asked.map(() => generation),
    hash: asked.map(n => hashes[n]),
    candidateHash: successors,
    candidateSalt: asked.map(() => randomBytes(20)),
    ip: asked.map(() => CLIENT.ip),
    userAgent: asked.map(() => CLIENT.userAgent),
    deadline: asked.map(() => Infinity),
  };
  const { name, text } = rotateSeveral;
  const { rowCount } = await pool.query({ name, text, values: valuesOf(rotateSeveral, values) });
  if (rowCount !== asked.length) throw new Error('a session was not refreshed');
  asked.forEach((n, index) => (hashes[n] = successors[index]));
}

async function bytesOf(client, count, when) {
  const { rows } = await client.query(
    `SELECT pg_total_relation_size('jwt_session')::float8 AS total, pg_indexes_size('jwt_session')::float8 AS indexes`,
  );
  const result = (measure, bytes) => ({ measure, contestant: LIBRARY, unit: 'bytes', value: bytes / count });
  return [result(`disk per session${when}`, rows[0].total), result(`of which indexes${when}`, rows[0].indexes)];
}
