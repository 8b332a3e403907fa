import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Names that the statements of this version use for other things, among them. Whatever a later version calls its
 * columns, no statement of this one may mean another by it.
 */
const COLUMNS = ['reason', 'version', 'branch', 'sent', 'message', 'announced', 'now_ms', 'used', 'path', 'found'];

async function addTo(runner: QueryRunner, tables: readonly string[], lockTimeout = '500ms'): Promise<void> {
  const [{ former }] = (await runner.query("SELECT current_setting('lock_timeout') AS former")) as [{ former: string }];
  await runner.query("SELECT set_config('lock_timeout', $1, true)", [lockTimeout]);
  for (const table of tables) {
    const columns = COLUMNS.map(name => `ADD COLUMN IF NOT EXISTS ${name} text`);
    await runner.query(`ALTER TABLE ${table} ${columns.join(', ')}`);
    await runner.query(`ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS uses integer NOT NULL DEFAULT 0`);
    await runner.query(`CREATE INDEX IF NOT EXISTS ${table}_next_index ON ${table} (reason) WHERE reason IS NOT NULL`);
    await runner.query(`CREATE TABLE IF NOT EXISTS ${table}_next (id uuid PRIMARY KEY, note text NOT NULL)`);
  }
  await runner.query("SELECT set_config('lock_timeout', $1, true)", [former]);
}

async function down(): Promise<void> {}

/** A migration of a later version, after the rule in `lib/store/migrations/index.ts`. */
export class NestjsJwtSession2000000000000 implements MigrationInterface {
  protected readonly lockTimeout?: string;
  up = (runner: QueryRunner) =>
    addTo(runner, ['jwt_session', 'jwt_session_user_auth', 'jwt_session_key'], this.lockTimeout);
  down = down;
}

export class NestjsJwtSessionAccounts2000000000001 implements MigrationInterface {
  up = (runner: QueryRunner) =>
    addTo(runner, ['jwt_account', 'jwt_account_token', 'jwt_account_mail', 'jwt_account_attempt']);
  down = down;
}
