import { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { CleanUpStore } from '../../lib/store/clean-up.store.js';
import { Database } from '../../lib/store/database.js';
import { RotationStore } from '../../lib/store/rotation.store.js';
import { SessionStore } from '../../lib/store/session.store.js';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import type { TestDatabase } from './database.js';

/** What one process has of `lib/store`: the stores on a pool of connections. */
export class StoreProcess {
  readonly rotation: RotationStore;
  readonly sessions: SessionStore;
  readonly cleanUp: CleanUpStore;

  private constructor(private readonly dataSource: DataSource) {
    const database = new Database(dataSource, resolveOptions({ secret: 'x'.repeat(32) }, {}));
    this.rotation = new RotationStore(database);
    this.sessions = new SessionStore(database);
    this.cleanUp = new CleanUpStore(database);
  }

  static async start({ url }: TestDatabase): Promise<StoreProcess> {
    const dataSource = new DataSource({
      type: 'postgres',
      url,
      entities: [...SESSION_ENTITIES],
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    });
    return new StoreProcess(await dataSource.initialize());
  }

  stop(): Promise<void> {
    return this.dataSource.destroy();
  }
}
