// 300,000 sessions are ended at once, by the SQL of docs/operating.md: what the polls of a process do to its requests.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { SessionService } from '../../../dist/index.js';
import { fillSessions } from '../contestants/filled-sessions.mjs';
import { startLibrary } from '../contestants/library.mjs';
import { onConnection, withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { quantile } from '../support/statistics.mjs';

const SESSIONS = 300_000;
/** Two polls at least, which come every ten seconds. */
const WATCHED_MS = 25_000;
const REQUEST_EVERY_MS = 2;

const INCIDENT = `UPDATE jwt_session SET revoked_at = clock_timestamp(), revoked_reason = 'incident' WHERE revoked_at IS NULL`;

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const url = await createDatabase('incident');
    const app = await startLibrary(url);
    try {
      const sessions = app.get(SessionService);
      await onConnection(url, client => fillSessions(client, SESSIONS));
      const { accessToken } = await sessions.logIn('operator');
      await watch(sessions, accessToken, 3_000);
      const calm = await watch(sessions, accessToken, 5_000);
      const memory = process.memoryUsage().rss;
      await onConnection(url, client => client.query(`${INCIDENT} AND user_id <> 'operator'`));
      const { pause, waits } = await watch(sessions, accessToken, WATCHED_MS);
      return [
        resultOf('guard p99 before', quantile(calm.waits, 0.99), 'ms'),
        resultOf('guard p99 while polls read 300,000 ended sessions', quantile(waits, 0.99), 'ms'),
        resultOf('longest pause of the event loop before', calm.pause, 'ms'),
        resultOf('longest pause of the event loop while polls read 300,000 ended sessions', pause, 'ms'),
        resultOf('memory for 300,000 ended sessions', (process.memoryUsage().rss - memory) / 1_000_000, 'MB'),
      ];
    } finally {
      await app.close();
    }
  });
}

/** Guarded requests that come at their times: one waits from when it was due. */
async function watch(sessions, token, milliseconds) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const waits = [];
  const end = performance.now() + milliseconds;
  for (let due = performance.now(); due < end; due += REQUEST_EVERY_MS) {
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    await sessions.verify(token);
    waits.push(performance.now() - due);
  }
  delay.disable();
  return { pause: delay.max / 1_000_000, waits };
}

function resultOf(measure, value, unit) {
  return { measure, contestant: LIBRARY, unit, value };
}
