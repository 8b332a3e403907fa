import type { DataSource } from 'typeorm';
import { CleanUpStore } from '../../lib/store/clean-up.store.js';
import { Database } from '../../lib/store/database.js';
import { DatabaseClock } from '../../lib/store/database-clock.js';
import { RevocationStore } from '../../lib/store/revocation.store.js';
import { RotationStore } from '../../lib/store/rotation.store.js';
import { StoreLoad } from '../../lib/store/store-load.js';
import { SessionEvents } from '../../lib/session.events.js';
import { SessionStore } from '../../lib/store/session.store.js';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import { dataSourceOn } from './data-source.js';
import { SessionClock, SessionTimers } from '../../lib/common/clock.js';
import type { TestDatabase } from './database.js';
import { SECRET } from './test-app.js';

/** The part of a process that is `lib/store`: the stores on a pool of connections. */
export class StoreProcess {
  readonly rotation: RotationStore;
  readonly sessions: SessionStore;
  readonly revocations: RevocationStore;
  readonly cleanUp: CleanUpStore;

  private constructor(private readonly dataSource: DataSource) {
    const timers = new SessionTimers();
    const processClock = new SessionClock();
    const clock = new DatabaseClock(processClock);
    const options = resolveOptions({ secret: SECRET }, {});
    const database = new Database(
      dataSource,
      options,
      timers,
      clock,
      new StoreLoad(options, processClock, timers, new SessionEvents()),
    );
    this.rotation = new RotationStore(database, clock, options);
    this.sessions = new SessionStore(database, options);
    this.revocations = new RevocationStore(database);
    this.cleanUp = new CleanUpStore(database);
  }

  static async start(database: TestDatabase): Promise<StoreProcess> {
    return new StoreProcess(await dataSourceOn(database, { migrationsRun: true }).initialize());
  }

  stop(): Promise<void> {
    return this.dataSource.destroy();
  }
}
