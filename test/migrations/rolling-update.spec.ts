import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { Column, DataSource, getMetadataArgsStorage } from 'typeorm';
import { SESSION_MIGRATIONS, SessionEntity } from 'nestjs-jwt-session';
import { send } from '../support/client.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';
import { NestjsJwtSession2000000000000 as NextVersion } from './next-version.js';

// A later version, which counts refreshes in a column of its own: in this process. The present version is the built
// package in the sample's process. Once a version is on npm, the older process can run that one.
const COUNTER = 'uses';
const addCounter = () => Column({ type: 'integer', default: 0 })(SessionEntity.prototype, COUNTER);

/** Other suites may use the entity after this one. */
function removeCounter(): void {
  const { columns } = getMetadataArgsStorage();
  const place = columns.findIndex(({ target, propertyName }) => target === SessionEntity && propertyName === COUNTER);
  columns.splice(place, 1);
}

const BEARER = { 'session-transport': 'bearer' };
const SILENT = { log: () => {}, warn: () => {}, error: () => {} };

/** A device that refreshes again and again, each time in the next of the processes that are in service. */
class Device {
  /** What it was answered by each process. */
  readonly statuses = new Map<string, number[]>();
  private stopped = false;
  private running?: Promise<void>;

  private constructor(
    private refreshToken: string,
    private readonly inService: readonly string[],
  ) {}

  static async logIn(url: string, body: object, inService: readonly string[]): Promise<Device> {
    const answer = await send(`${url}/login`, { method: 'POST', headers: BEARER, body });
    return new Device(answer.body.refreshToken!, inService);
  }

  start(): this {
    this.running = this.run();
    return this;
  }

  stop(): Promise<void> {
    this.stopped = true;
    return this.running!;
  }

  /** How many answers it got from a process. */
  answersOf(url: string): number {
    return this.statuses.get(url)?.length ?? 0;
  }

  private async run(): Promise<void> {
    for (let turn = 0; !this.stopped; turn++) {
      const url = this.inService[turn % this.inService.length]!;
      const body = { refreshToken: this.refreshToken };
      const refreshed = await send(`${url}/session/refresh`, { method: 'POST', body });
      this.refreshToken = refreshed.body.refreshToken ?? this.refreshToken;
      const used = await send(`${url}/me`, { headers: { authorization: `Bearer ${refreshed.body.accessToken}` } });
      this.statuses.set(url, [...(this.statuses.get(url) ?? []), refreshed.status, used.status]);
    }
  }
}

describe('during a rolling update', () => {
  const inService: string[] = [];
  const devices: Device[] = [];
  let database: TestDatabase;
  let older: SampleProcess;
  let clock: SharedClock;
  let newer: TestApp | undefined;
  let backup: Client | undefined;
  beforeAll(async () => {
    addCounter();
    database = await TestDatabase.create();
    older = await SampleProcess.start(database, { SESSION_SECRET: SECRET, SESSION_LEEWAY: '0s' });
    clock = await SharedClock.install(database);
  });
  afterAll(async () => {
    removeCounter();
    await backup?.end();
    await Promise.all(devices.map(device => device.stop()));
    await newer?.close();
    await older?.stop();
    await database.drop();
  });

  function startNewer(lockTimeout: string): Promise<TestApp> {
    class NestjsJwtSession2000000000000 extends NextVersion {
      protected override readonly lockTimeout = lockTimeout;
    }
    return startTestApp({
      database,
      clock,
      session: { session: { leeway: '0s' } },
      typeorm: { migrations: [...SESSION_MIGRATIONS, NestjsJwtSession2000000000000], logger: 'debug' },
      override: builder => void builder.setLogger(SILENT),
    });
  }

  const open = async (url: string, body: object) => devices.push((await Device.logIn(url, body, inService)).start());
  const openAtOlder = () => open(older.url, { username: 'ada', password: 'lovelace' });

  /** Waits until every device was served some more by each process in service. */
  async function served(): Promise<void> {
    const counts = () => devices.flatMap(device => inService.map(url => device.answersOf(url)));
    const before = counts();
    await until(async () => counts().every((count, index) => count >= before[index]! + 4), 30_000);
  }

  it('nobody is refused: before the migration, while it waits, with both versions, with either alone', async () => {
    inService.push(older.url);
    for (let opened = 0; opened < 3; opened++) await openAtOlder();
    await served();

    // A backup reads the table. The migration gives up instead of delaying all users, and changes nothing.
    backup = new Client({ connectionString: database.url });
    await backup.connect();
    await backup.query('BEGIN; SELECT count(*) FROM jwt_session');
    await expect(startNewer('500ms')).rejects.toThrow('lock timeout');
    await served();
    await backup.end();

    newer = await startNewer('30s');
    const { sessions, app } = newer;
    const dataSource = app.get(DataSource);
    const writes: Promise<unknown>[] = [];
    sessions.events.subscribe(event => {
      if (event.type !== 'session.refreshed') return;
      writes.push(dataSource.query('UPDATE jwt_session SET uses = uses + 1 WHERE id = $1', [event.sessionId]));
    });
    inService.push(newer.url);
    await openAtOlder();
    await open(newer.url, { userId: 'grace' });
    await served();

    inService.splice(0, 2, newer.url);
    await served();
    // It was a mistake.
    inService.splice(0, 1, older.url);
    await served();

    await Promise.all(devices.map(device => device.stop()));
    await Promise.all(writes);
    const statuses = devices.flatMap(device => [...device.statuses.values()].flat());
    expect(new Set(statuses)).toEqual(new Set([200]));
    const rows = await dataSource.getRepository(SessionEntity).find();
    expect(rows.map(({ revokedReason }) => revokedReason)).toEqual(devices.map(() => null));
    expect(rows.every(row => (row as SessionEntity & { uses: number }).uses > 0)).toBe(true);
    expect(older.output).not.toMatch(/error|failed/i);
  });
});
