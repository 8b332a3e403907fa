import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateSampleTables1764547300000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE app_user (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        username text NOT NULL UNIQUE,
        role text NOT NULL,
        password_hash text NOT NULL
      )`);
    await runner.query(`
      CREATE TABLE note (
        id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
        user_id uuid NOT NULL REFERENCES app_user,
        text text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE note');
    await runner.query('DROP TABLE app_user');
  }
}
