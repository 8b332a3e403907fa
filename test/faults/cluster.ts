import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { Network } from './network.js';
import { type Machine, PostgresServer } from './postgres-server.js';

/** Statements that write fail while the table has a row. */
const FULL_DISK = `
  CREATE TABLE full_disk ();
  CREATE FUNCTION fail_on_full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM public.full_disk) THEN
      RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END IF;
    RETURN NULL;
  END $$;
  ${['jwt_session', 'jwt_session_user_auth', 'jwt_session_key']
    .map(table => `CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON ${table} EXECUTE FUNCTION fail_on_full_disk();`)
    .join('\n  ')}`;

/** The database of a campaign, which moves from one server to another at each failover. */
export class Cluster {
  private constructor(
    private primary: PostgresServer,
    private readonly networks: Network[] = [],
  ) {}

  static async start(machine: Machine = {}): Promise<Cluster> {
    const primary = await PostgresServer.create(machine);
    const dataSource = new DataSource({
      type: 'postgres',
      url: primary.url,
      entities: [...SESSION_ENTITIES],
      migrations: [...SESSION_MIGRATIONS],
      migrationsTransactionMode: 'each',
    });
    await dataSource.initialize();
    await dataSource.runMigrations();
    await dataSource.destroy();
    await primary.query(FULL_DISK);
    return new Cluster(primary);
  }

  /** A way to the database for one process. */
  async network(): Promise<Network> {
    const network = await Network.to(this.primary.port);
    this.networks.push(network);
    return network;
  }

  get port(): number {
    return this.primary.port;
  }

  query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.primary.query<Row>(text, values);
  }

  /** The database ends connections of applications, as an administrator or a failed server process does. */
  async killBackends(): Promise<void> {
    await this.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    );
  }

  /** Every statement that writes fails as on a full disk, and new connections fail at their start. */
  async fillDisk(): Promise<void> {
    if (this.primary.hasOwnDisk) return this.primary.fillDisk();
    for (const network of this.networks) network.refuseWith('XX000', 'could not write init file');
    await this.query('INSERT INTO full_disk DEFAULT VALUES');
  }

  async emptyDisk(): Promise<void> {
    if (this.primary.hasOwnDisk) return this.primary.emptyDisk();
    for (const network of this.networks) network.restore();
    await this.query('DELETE FROM full_disk');
  }

  /** @param ahead milliseconds */
  setClock(ahead: number): void {
    this.primary.setClock(ahead);
  }

  refuseConnections(sqlState: string): void {
    for (const network of this.networks) network.refuseWith(sqlState, 'refused');
  }

  acceptConnections(): void {
    for (const network of this.networks) network.restore();
  }

  /** @param signal `SIGINT` for a restart, `SIGKILL` for a crash */
  async restart(signal: 'SIGINT' | 'SIGKILL', downtime: number): Promise<void> {
    await this.primary.stop(signal);
    await sleep(downtime);
    await this.primary.start();
  }

  /**
   * The primary crashes, and a synchronous standby that has every commit takes its place.
   *
   * @param meanwhile some commits for which the standby is asked
   */
  async failOver(meanwhile: () => Promise<void> = () => sleep(1_000)): Promise<void> {
    const standby = await this.primary.standby(this.primary.port);
    await this.setSynchronous(this.primary, '*');
    await this.hasStandby("sync_state = 'sync'");
    await this.catchUp();
    await meanwhile();
    await this.replace(standby);
    await this.setSynchronous(standby, '');
  }

  /**
   * The primary crashes, and a standby that lacks the last commits takes its place.
   *
   * @param losing called before the first commit is lost
   * @param meanwhile its commits are lost
   * @param lost called after the last one
   */
  async failOverLossily(
    meanwhile: () => Promise<void>,
    losing: () => void = () => undefined,
    lost: () => void = () => undefined,
  ): Promise<void> {
    const replication = await Network.to(this.primary.port);
    try {
      const standby = await this.primary.standby(replication.port);
      await this.hasStandby("state = 'streaming'");
      losing();
      // What was answered before is not lost.
      await this.catchUp();
      replication.stall('both');
      await meanwhile();
      await this.replace(standby, lost);
    } finally {
      await replication.close();
    }
  }

  /**
   * Makes a standby that has stopped following, so that it lacks every later commit.
   *
   * @param use called with its port
   */
  async besideReplica(use: (port: number) => Promise<void>): Promise<void> {
    const replication = await Network.to(this.primary.port);
    let standby: PostgresServer | undefined;
    try {
      standby = await this.primary.standby(replication.port);
      await this.hasStandby("state = 'streaming'");
      await this.catchUp();
      replication.stall('both');
      await use(standby.port);
    } finally {
      await standby?.remove();
      await replication.close();
    }
  }

  /** Copies the files of the server while it is stopped. Returns what restores them: commits since are lost. */
  async backUp(): Promise<() => Promise<void>> {
    const { primary } = this;
    await primary.stop();
    primary.copyFiles();
    await primary.start();
    return async () => {
      await primary.stop('SIGKILL');
      primary.restoreFiles();
      await primary.start();
    };
  }

  async stop(): Promise<void> {
    for (const network of this.networks) await network.close();
    await this.primary.remove();
  }

  private async replace(standby: PostgresServer, killed?: () => void): Promise<void> {
    const former = this.primary;
    await former.stop('SIGKILL');
    killed?.();
    await standby.promote();
    this.primary = standby;
    for (const network of this.networks) network.redirect(standby.port);
    await former.remove();
  }

  private async setSynchronous(server: PostgresServer, names: string): Promise<void> {
    await server.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await server.query('SELECT pg_reload_conf()');
  }

  /** Waits until the standby has everything that was committed before. */
  private async catchUp(): Promise<void> {
    const [row] = await this.query<{ position: string }>('SELECT pg_current_wal_lsn()::text AS position');
    await this.hasStandby(`flush_lsn >= '${row!.position}'`);
  }

  private async hasStandby(condition: string): Promise<void> {
    const find = `SELECT 1 FROM pg_stat_replication WHERE ${condition}`;
    for (let attempt = 1; (await this.query(find)).length === 0; attempt++) {
      if (attempt > 1_200) throw new Error('the standby does not follow');
      await sleep(100);
    }
  }
}
