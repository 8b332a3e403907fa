// What many active sessions cost the database: refreshes, write-ahead log and polls, for the table "plan for many" of
// docs/operating.md. A refresh and the first use of its access token are measured. Polls run against as many ended
// sessions as a span has at each size.
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { SESSION_MIGRATIONS, SessionModule, SessionService } from '../../../build/index.js';
import { RevocationPoll } from '../../../build/revocation/revocation-poll.js';
import { Revocations } from '../../../build/revocation/revocations.js';
import { CLIENT, fillSessions, refreshTokenOf } from '../contestants/filled-sessions.mjs';
import { privateKey, SECRET } from '../contestants/library.mjs';
import { onConnection, POOL_SIZE, withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { median, shuffled } from '../support/statistics.mjs';

const SIZES = [10_000, 100_000, 1_000_000, 10_000_000];
/** The default of `accessToken.lifetime`: an active session refreshes once in it. */
const LIFETIME_S = 600;
/** Each session is ended once a day: by a log-out, or by another login of its client. */
const ENDED_EVERY_S = 86_400;
/** Revoked in an incident. */
const INCIDENT = 101_000;

const CALLERS = 32;
const REFRESHES = 20_000;
const POLLS_PER_WHOLE = 10;
/** The interval between polls. */
const INTERVAL_MS = 10_000;

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const url = await createDatabase('plan');
    const app = await start(url);
    const streams = streamsOf(app);
    try {
      const refresh = await measureRefreshes(app.get(SessionService), url);
      const { span } = app.get(Revocations, { strict: false });
      const results = [...refresh.results];
      for (const active of SIZES) {
        const ended = Math.round((active * span) / 1_000 / ENDED_EVERY_S);
        const perSecond = active / LIFETIME_S;
        const size = `${active.toLocaleString('en')} active sessions`;
        results.push(
          resultOf(`${size}: refreshes`, perSecond, '/s'),
          resultOf(`${size}: write-ahead log`, (perSecond * refresh.wal) / 1_000_000, 'MB/s'),
          resultOf(`${size}: connections that work`, perSecond / refresh.perConnection, ''),
          ...(await measurePolls(app, url, streams, span, ended, `${size}, ${ended.toLocaleString('en')} ended`)),
        );
      }
      const many = `${INCIDENT.toLocaleString('en')} ended sessions`;
      return [...results, ...(await measurePolls(app, url, streams, span, INCIDENT, many))];
    } finally {
      await app.close();
    }
  });
}

/** Polls only when it is told to. */
async function start(url) {
  class PlanModule {}
  Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        poolSize: POOL_SIZE,
        autoLoadEntities: true,
        migrations: [...SESSION_MIGRATIONS],
        migrationsRun: true,
      }),
      SessionModule.forRoot({
        secret: SECRET,
        keys: { signingKey: privateKey },
        revocation: { maxStaleness: '10m', feed: 'poll' },
      }),
    ],
  })(PlanModule);
  return NestFactory.createApplicationContext(PlanModule, { logger: ['error'] });
}

/**
 * Half of all sessions refresh after a checkpoint, as between two of them by the defaults of both: access tokens live
 * for ten minutes, and a checkpoint comes every five. The first change of a page after it writes the whole page.
 */
async function measureRefreshes(sessions, url) {
  await onConnection(url, async client => {
    await fillSessions(client, 2 * REFRESHES);
    await client.query('CHECKPOINT');
  });
  const order = shuffled([...Array(2 * REFRESHES).keys()]).slice(0, REFRESHES);
  const before = await walOf(url);
  const began = performance.now();
  const lane = async () => {
    for (let n = order.pop(); n !== undefined; n = order.pop()) {
      const { accessToken } = await sessions.refresh({ refreshToken: refreshTokenOf(n), ...CLIENT });
      await sessions.verify(accessToken);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, lane));
  const perSecond = REFRESHES / ((performance.now() - began) / 1_000);
  // The last uses are written a moment later.
  await new Promise(resolve => setTimeout(resolve, 500));
  const wal = ((await walOf(url)) - before) / REFRESHES;
  const results = [
    resultOf(`refresh and first use, ${CALLERS} callers`, perSecond, '/s'),
    resultOf('write-ahead log of a refresh and the first use', wal, 'bytes'),
  ];
  return { results, wal, perConnection: perSecond / POOL_SIZE };
}

async function measurePolls(app, url, streams, span, ended, size) {
  await onConnection(url, async client => {
    await client.query('TRUNCATE jwt_session');
    await fillSessions(client, ended);
    // Evenly over the span, the oldest a little younger than it. The next poll, after an interval, finds new ones.
    await client.query(
      `UPDATE jwt_session SET revoked_reason = 'logout', revoked_at = clock_timestamp()
        - (0.98 * $1 * row_number / $2 - $3) * interval '1 millisecond'
      FROM (SELECT id AS ended, row_number() OVER () FROM jwt_session) AS numbered WHERE id = ended`,
      [span, ended, INTERVAL_MS],
    );
    await client.query('VACUUM ANALYZE jwt_session');
  });
  const poll = app.get(RevocationPoll, { strict: false });
  const once = async () => {
    const [bytes, began] = [streams.bytesRead, performance.now()];
    await poll.read({ sent: performance.now(), echo: null, timeout: 60_000 });
    return { bytes: streams.bytesRead - bytes, time: performance.now() - began };
  };
  const measure = async prepare => {
    const polls = [];
    for (let count = 0; count < POLLS_PER_WHOLE - 1; count++) {
      prepare();
      polls.push(await once());
    }
    const of = quantity => median(polls.map(each => each[quantity]));
    return { time: of('time'), bytes: of('bytes') };
  };
  poll.interrupt();
  await once();
  const whole = await measure(() => poll.interrupt());
  const recent = await measure(() => undefined);
  const average = quantity => (whole[quantity] + (POLLS_PER_WHOLE - 1) * recent[quantity]) / POLLS_PER_WHOLE;
  return [
    resultOf(`${size}: a poll of the whole span`, whole.time, 'ms'),
    resultOf(`${size}: bytes of it`, whole.bytes, 'bytes'),
    resultOf(`${size}: a poll of what is new`, recent.time, 'ms'),
    resultOf(`${size}: bytes of it, new`, recent.bytes, 'bytes'),
    resultOf(`${size}: a poll on average`, average('time'), 'ms'),
    resultOf(`${size}: bytes of it, on average`, average('bytes'), 'bytes'),
  ];
}

/** What has arrived on the connections of the pool. */
function streamsOf(app) {
  const streams = new Set();
  app.get(DataSource).driver.master.on('acquire', client => streams.add(client.connection.stream));
  return {
    get bytesRead() {
      return [...streams].reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    },
  };
}

async function walOf(url) {
  return onConnection(url, async client => {
    const { rows } = await client.query(`SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS bytes`);
    return Number(rows[0].bytes);
  });
}

function resultOf(measure, value, unit) {
  return { measure, contestant: LIBRARY, unit, value };
}
