import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { ACCOUNT_ENTITIES, ACCOUNT_MIGRATIONS } from 'nestjs-jwt-session/accounts';
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from '../accounts/account-app.js';
import { tokenOf } from '../accounts/inbox.js';
import { SessionClock } from '../../lib/common/clock.js';
import { CookieClient } from '../support/client.js';
import type { SharedClock, TestDatabase } from '../support/database.js';
import { startTestApp } from '../support/test-app.js';
import { until } from '../support/until.js';
import { Cluster } from './cluster.js';

const SLOW = 120_000;
const urlAt = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`;
const clock = new SessionClock() as SharedClock;

describe('R12: a replica that is behind', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
  }, SLOW);
  afterAll(() => cluster?.stop(), SLOW);

  it(
    'with "replication" of TypeORM neither sessions nor accounts are read from it',
    async () => {
      const { port } = await cluster.network();
      const migrations = [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS];
      const migrating = new DataSource({
        type: 'postgres',
        url: urlAt(port),
        entities: [...SESSION_ENTITIES, ...ACCOUNT_ENTITIES],
        migrations,
        migrationsTransactionMode: 'each',
      });
      await migrating.initialize();
      await migrating.runMigrations();
      await migrating.destroy();
      await cluster.besideReplica(async replica => {
        const replication = { master: { url: urlAt(port) }, slaves: [{ url: urlAt(replica) }] };
        const app = await AccountApp.start({
          database: { url: urlAt(port) } as TestDatabase,
          clock,
          typeorm: { replication, migrationsRun: false },
        });
        try {
          const { sessions } = app.test;
          // TypeORM does read from the replica: the account is not there.
          const id = await app.verified('ada@example.com');
          const runner = app.test.app.get(DataSource).createQueryRunner('slave');
          expect(await runner.query('SELECT FROM jwt_account')).toEqual([]);
          await runner.release();

          const client = await app.loggedIn('ada@example.com');
          expect(await client.refresh()).toMatchObject({ status: 200 });
          expect(await client.refresh()).toMatchObject({ status: 200 });
          expect(await app.accounts.setRole(id, 'admin')).toBe(true);
          await client.refresh();
          expect((await client.send('/session')).body.claims).toEqual({ role: 'admin' });
          expect(await sessions.list(id)).toHaveLength(1);
          const token = await app.recoveryToken('ada@example.com');
          expect(await app.post('reset-password', { token, password: OTHER_PASSWORD })).toMatchObject({ status: 204 });
          await app.loggedIn('ada@example.com', OTHER_PASSWORD);
          await expect(app.loggedIn('ada@example.com', PASSWORD)).rejects.toThrow('invalid_credentials');
          expect(await sessions.logOutAll(id)).toBe(1);
          expect(await sessions.list(id)).toEqual([]);
          expect(tokenOf(await app.verificationMail('ada@example.com'))).toBeDefined();
        } finally {
          await app.close();
        }
      });
    },
    SLOW,
  );

  it(
    'where connections lead to it, what it says of sessions does not count: 503, until they lead to the primary',
    async () => {
      const network = await cluster.network();
      const test = await startTestApp({
        database: { url: urlAt(network.port) } as TestDatabase,
        clock,
        session: { revocation: { mode: 'strict' } },
        typeorm: { migrationsRun: false },
      });
      try {
        const client = new CookieClient(test.url);
        await client.logIn('grace');
        const primary = cluster.port;
        await cluster.besideReplica(async replica => {
          const lead = (port: number) => {
            network.redirect(port);
            network.refuse();
            network.restore();
          };
          lead(replica);
          expect(await client.sendOnly('/me')).toMatchObject({ status: 503 });
          expect(await client.sendOnly('/session/refresh', { method: 'POST' })).toMatchObject({ status: 503 });
          expect(await test.sessions.status()).toMatchObject({ status: 'down' });
          lead(primary);
          await until(async () => (await client.sendOnly('/me')).status === 200);
        });
      } finally {
        await test.close();
      }
    },
    SLOW,
  );
});
