import { Logger } from '@nestjs/common';
import { milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import { SESSION_ENTITIES } from './entities/index.js';
import { KnownDeviceEntity } from './entities/known-device.entity.js';
import { SessionEntity } from './entities/session.entity.js';
import { SigningKeyEntity } from './entities/signing-key.entity.js';
import { UserAuthEntity } from './entities/user-auth.entity.js';
import type { Database } from './database.js';
import { requireSchema, schemaGaps } from '../common/missing-schema.js';
import { IS_REPLICA } from './sql-fragments.js';

/** Milliseconds after which a health check gives up. */
const PING_TIMEOUT_MS = 5_000;

const PING = statement('jwt_session_ping', `SELECT ${milliseconds('clock_timestamp()')} AS now_ms, ${IS_REPLICA}`);

const COMPATIBLE = ['postgres', 'cockroachdb'];

/** Refuses to start on a database that the module cannot use. The message says what to change. */
export class SchemaCheck {
  private readonly logger = new Logger('SessionStore');

  constructor(private readonly database: Database) {}

  /** @throws Error that says what to add to the data source */
  async run(): Promise<void> {
    const { dataSource } = this.database;
    const { type } = dataSource.options;
    if (!COMPATIBLE.includes(type)) {
      throw new Error(
        `SessionModule needs PostgreSQL, but its data source is of type "${type}": name another one with the option "dataSource"`,
      );
    }
    await requireSchema(dataSource, {
      module: 'SessionModule',
      entitiesName: 'SESSION_ENTITIES',
      migrationsName: 'SESSION_MIGRATIONS',
      entities: SESSION_ENTITIES,
      gaps: () => this.gaps(),
    });
    // From here on the database's time is known.
    await this.database.query(PING, {});
    this.warnOfUnlimitedWaits();
  }

  private warnOfUnlimitedWaits(): void {
    if (this.database.limitsConnecting) return;
    this.logger.warn(
      'the data source sets no connectTimeoutMS: a connection that opens half keeps its place in the pool for ever, and your own statements wait without limit. Write connectTimeoutMS: 5_000',
    );
  }

  private gaps(): Promise<string[]> {
    const { dataSource, tables } = this.database;
    const expected = [
      { path: tables.session, entity: SessionEntity },
      { path: tables.userAuth, entity: UserAuthEntity },
      { path: tables.signingKey, entity: SigningKeyEntity },
      { path: tables.device, entity: KnownDeviceEntity },
    ].map(({ path, entity }) => ({ path, metadata: dataSource.getMetadata(entity), declaredBy: entity }));
    return schemaGaps(expected, (query, values) => this.database.query(query, values));
  }

  /** Whether the database answers. */
  async ping(): Promise<boolean> {
    try {
      await this.database.query(PING, {}, { timeout: PING_TIMEOUT_MS });
      return true;
    } catch {
      // The failure is logged where it happened.
      return false;
    }
  }
}
