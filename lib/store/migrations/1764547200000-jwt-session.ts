import type { MigrationInterface, QueryRunner } from 'typeorm';
import { tablesOf } from './tables-of.js';

/** Creates the module's tables. What `synchronize` has already made is left as it is. */
export class NestjsJwtSession1764547200000 implements MigrationInterface {
  // TypeORM stores this name; it must survive minifiers.
  readonly name = 'NestjsJwtSession1764547200000';

  async up(runner: QueryRunner): Promise<void> {
    const tables = tablesOf(runner);
    // Columns of a fixed width come first: behind others each would be padded to a multiple of its width.
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${tables.session} (
        id uuid NOT NULL,
        refresh_auth_uuid uuid,
        actor_session_id uuid,
        created_at timestamptz(3) NOT NULL,
        last_seen_at timestamptz(3) NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        absolute_expires_at timestamptz(3),
        leeway_until timestamptz(3) NOT NULL,
        claims_changed_at timestamptz(3),
        revoked_at timestamptz(3),
        idle_lifetime interval,
        generation integer NOT NULL,
        token_version integer NOT NULL DEFAULT 0,
        bucket smallint NOT NULL,
        remember boolean,
        user_id text NOT NULL,
        token_hash bytea NOT NULL,
        successor_hash bytea,
        successor_salt bytea,
        previous_hash bytea,
        previous_salt bytea,
        key_thumbprint bytea,
        key_offered bytea,
        key_kind text,
        last_case text,
        claims jsonb NOT NULL,
        data jsonb,
        label text,
        user_agent text,
        user_agent_hash bytea,
        ip text,
        actor_user_id text,
        actor_reason text,
        revoked_reason text,
        CONSTRAINT jwt_session_pkey PRIMARY KEY (id, bucket)
      )`);
    // Room on each page for the next version of its rows: refreshing then touches no index.
    await runner.query(`ALTER TABLE ${tables.session} SET (fillfactor = 80)`);
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_session_active_user_index ON ${tables.session} (user_id) WHERE revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_session_actor_index ON ${tables.session} (actor_session_id) WHERE actor_session_id IS NOT NULL AND revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_session_revoked_at_index ON ${tables.session} (revoked_at, id) WHERE revoked_at IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_session_claims_changed_at_index ON ${tables.session} (claims_changed_at, id) WHERE claims_changed_at IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${tables.userAuth} (
        user_id text NOT NULL,
        token_type text NOT NULL,
        bucket smallint NOT NULL,
        uuid uuid NOT NULL,
        version bigint NOT NULL,
        changed_at timestamptz(3) NOT NULL,
        CONSTRAINT jwt_session_user_auth_pkey PRIMARY KEY (user_id, token_type, bucket)
      )`);
    await runner.query(
      `CREATE INDEX IF NOT EXISTS jwt_session_user_auth_changed_at_index ON ${tables.userAuth} (changed_at, user_id)`,
    );
    await runner.query(`
      CREATE TABLE IF NOT EXISTS ${tables.signingKey} (
        kid text CONSTRAINT jwt_session_key_pkey PRIMARY KEY,
        purpose text NOT NULL,
        algorithm text NOT NULL,
        period bigint NOT NULL,
        public_jwk jsonb NOT NULL,
        encrypted_private_key bytea NOT NULL,
        publish_at timestamptz(3) NOT NULL,
        sign_from timestamptz(3) NOT NULL,
        sign_until timestamptz(3) NOT NULL,
        retire_at timestamptz(3) NOT NULL,
        distrusted_at timestamptz(3)
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX IF NOT EXISTS jwt_session_key_election_index ON ${tables.signingKey} (purpose, period) WHERE distrusted_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    const { session, userAuth, signingKey } = tablesOf(runner);
    for (const table of [session, userAuth, signingKey]) await runner.query(`DROP TABLE ${table}`);
  }
}
