import type { MigrationInterface, QueryRunner } from 'typeorm';
import { tablesOf } from './tables-of.js';

/** Creates the table of known devices. One that `synchronize` has made stays as it is. */
export class NestjsJwtSession1764600000000 implements MigrationInterface {
  // TypeORM stores this name; it must survive minifiers.
  readonly name = 'NestjsJwtSession1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${tablesOf(runner).device} (
        session_id uuid NOT NULL,
        last_seen_at timestamptz(3) NOT NULL,
        bucket smallint NOT NULL,
        user_id text NOT NULL,
        hash bytea NOT NULL,
        CONSTRAINT jwt_session_device_pkey PRIMARY KEY (user_id, hash, bucket)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE ${tablesOf(runner).device}`);
  }
}
