import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dataSourceOf } from '../../common/data-source-of.js';
import { ACCOUNT_SERVICE_ENTITIES } from './entities.js';
import { accountTables } from './tables.js';

/** Creates the tables of accounts. Tables that `synchronize` has made stay as they are. */
export class NestjsJwtSessionAccounts1764633600000 implements MigrationInterface {
  // TypeORM stores this name; it must survive minifiers.
  readonly name = 'NestjsJwtSessionAccounts1764633600000';

  async up(runner: QueryRunner): Promise<void> {
    const { account, registration, token, mail, attempt } = tablesOf(runner);
    if (account) {
      await runner.query(`
        CREATE TABLE IF NOT EXISTS ${account} (
          id uuid CONSTRAINT jwt_account_pkey PRIMARY KEY,
          email text NOT NULL,
          email_key text NOT NULL CONSTRAINT jwt_account_email_key UNIQUE,
          password_hash text NOT NULL,
          role text NOT NULL,
          verified_at timestamptz(3),
          disabled_at timestamptz(3),
          first_log_in_at timestamptz(3),
          created_at timestamptz(3) NOT NULL
        )`);
      await runner.query(`
        CREATE INDEX IF NOT EXISTS jwt_account_unused_index ON ${account} (created_at)
        WHERE verified_at IS NULL AND first_log_in_at IS NULL`);
    }
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${registration} (
        email_key text CONSTRAINT jwt_account_registration_pkey PRIMARY KEY,
        password_hash text NOT NULL,
        fields jsonb NOT NULL,
        expires_at timestamptz(3) NOT NULL
      )`);
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_account_registration_expires_at_index ON ${registration} (expires_at)`,
    );
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${token} (
        token_hash bytea CONSTRAINT jwt_account_token_pkey PRIMARY KEY,
        account_id text NOT NULL,
        purpose text NOT NULL,
        email text NOT NULL,
        session_id text,
        expires_at timestamptz(3) NOT NULL,
        used_at timestamptz(3)
      )`);
    await runner.query(`CREATE INDEX IF NOT EXISTS jwt_account_token_account_index ON ${token} (account_id)`);
    await runner.query(`CREATE INDEX IF NOT EXISTS jwt_account_token_expires_at_index ON ${token} (expires_at)`);
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${mail} (
        id uuid CONSTRAINT jwt_account_mail_pkey PRIMARY KEY,
        kind text NOT NULL,
        email text NOT NULL,
        account_id text,
        session_id text,
        language text,
        attempts integer NOT NULL,
        next_attempt_at timestamptz(3) NOT NULL,
        last_error text,
        failed_at timestamptz(3)
      )`);
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_account_mail_due_index ON ${mail} (next_attempt_at) WHERE failed_at IS NULL`,
    );
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${attempt} (
        key text CONSTRAINT jwt_account_attempt_pkey PRIMARY KEY,
        hits integer NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        blocked_until timestamptz(3)
      )`);
    await runner.query(`CREATE INDEX IF NOT EXISTS jwt_account_attempt_expires_at_index ON ${attempt} (expires_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { account, registration, token, mail, attempt } = tablesOf(runner);
    for (const table of [account, registration, token, mail, attempt])
      if (table) await runner.query(`DROP TABLE ${table}`);
  }
}

function tablesOf(runner: QueryRunner) {
  const dataSource = dataSourceOf(runner);
  const missing = ACCOUNT_SERVICE_ENTITIES.filter(entity => !dataSource.hasMetadata(entity));
  if (missing.length > 0) {
    throw new Error('ACCOUNT_MIGRATIONS need the entities: add ...ACCOUNT_ENTITIES to the data source\'s "entities"');
  }
  return accountTables(dataSource);
}
