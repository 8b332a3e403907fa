import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SESSION_ENTITIES, SessionModule, type SessionModuleExtras, SessionService } from 'nestjs-jwt-session';
import { SessionTimers } from '../../lib/common/clock.js';
import { DeviceLabels } from '../../lib/sessions/device-labels.js';
import { dataSourceOfType, refusalOf, startApplication, typeOrmOn } from '../support/application.js';
import { TestDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, SECRET } from '../support/test-app.js';
import { until } from '../support/until.js';

/** Knows which timers run. */
class CountedTimers extends SessionTimers {
  readonly running = new Set<NodeJS.Timeout>();

  override every(milliseconds: number, task: () => void): NodeJS.Timeout {
    const timer = super.every(milliseconds, task);
    this.running.add(timer);
    return timer;
  }

  override clear(timer: NodeJS.Timeout | undefined): void {
    super.clear(timer);
    if (timer) this.running.delete(timer);
  }
}

describe('an application does not start', () => {
  let database: TestDatabase;
  let empty: TestDatabase;
  beforeAll(async () => {
    [database, empty] = await Promise.all([TestDatabase.create(), TestDatabase.create()]);
  });
  afterAll(() => Promise.all([database.drop(), empty.drop()]));

  const refused = (typeorm: object, extras: SessionModuleExtras = {}) =>
    refusalOf(
      startApplication({ imports: [typeOrmOn(empty, typeorm), SessionModule.forRoot({ secret: SECRET, ...extras })] }),
    );

  it('whose labels of devices are to be stored, without the package that makes them', async () => {
    const missing = jest.spyOn(DeviceLabels.prototype, 'isAble').mockResolvedValue(false);
    const options = { secret: SECRET, devices: { userAgent: 'label' } } as const;
    const message = await refusalOf(
      startApplication({ imports: [typeOrmOn(database), SessionModule.forRoot(options)] }),
    );
    missing.mockRestore();
    expect(message).toContain('"devices.userAgent": \'label\' needs the package bowser: run "npm install bowser"');
  });

  it('on a data source that is not PostgreSQL', async () => {
    const imports = [typeOrmOn(empty), SessionModule.forRoot({ secret: SECRET })];
    const message = await refusalOf(startApplication({ imports, override: dataSourceOfType('mysql') }));
    expect(message).toContain('needs PostgreSQL');
    expect(message).toContain('"mysql"');
    expect(message).toContain('option "dataSource"');
  });

  it('without the entities', async () => {
    const message = await refused({ autoLoadEntities: false, entities: [], migrations: [] });
    expect(message).toContain('...SESSION_ENTITIES');
    expect(message).toContain('autoLoadEntities: true');
  });

  it('with some of the entities', async () => {
    const message = await refused({ autoLoadEntities: false, entities: SESSION_ENTITIES.slice(0, 2), migrations: [] });
    expect(message).toContain('...SESSION_ENTITIES');
  });

  it('without the tables, and names them', async () => {
    const message = await refused({ migrations: [] });
    expect(message).toContain('...SESSION_MIGRATIONS');
    expect(message).toContain('migrationsRun: true');
    for (const table of ['jwt_session', 'jwt_session_user_auth', 'jwt_session_key'])
      expect(message).toContain(`"${table}"`);
  });

  it('without the tables in the schema of the data source, though others have them', async () => {
    const { app } = await startApplication({
      imports: [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET })],
    });
    await app.close();
    await database.query('CREATE SCHEMA elsewhere');
    const imports = [
      typeOrmOn(database, { schema: 'elsewhere', migrations: [] }),
      SessionModule.forRoot({ secret: SECRET }),
    ];
    expect(await refusalOf(startApplication({ imports }))).toContain('"elsewhere"."jwt_session"');
  });

  it('with migrations but not the entities they need', async () => {
    expect(await refused({ autoLoadEntities: false, entities: [] })).toContain('...SESSION_ENTITIES');
  });

  it('and leaves neither a timer nor a connection that listens, though nobody closes it', async () => {
    const proxy = await TcpProxy.to(database.url);
    const timers = new CountedTimers();
    const imports = [typeOrmOn(database, { url: proxy.url }), SessionModule.forRoot({ secret: SECRET })];
    const builder = Test.createTestingModule({ imports });
    const module = await builder.overrideProvider(SessionTimers).useValue(timers).compile();
    const app = module.createNestApplication({ logger: false });
    const listeners = () => database.query("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %'");
    const lost = proxy.loseAnswerTo('jwt_session_revocation_poll');
    try {
      await expect(app.init()).rejects.toThrow('the database does not answer');
      await lost;
      expect([...timers.running]).toEqual([]);
      await until(async () => (await listeners()).length === 0);
    } finally {
      await app.close();
      await proxy.close();
    }
  });

  it.each<[string, unknown]>([
    ['controller: an unknown member', { controller: { path: 'auth', version: '1' } }],
    ['controller: no path', { controller: {} }],
    ['controller: a text', { controller: 'auth' }],
    ['jwks: no path', { jwks: {} }],
    ['jwks: a text', { jwks: '/keys.json' }],
    ['isGlobal: a text', { isGlobal: 'false' }],
    ['dataSource: an object', { dataSource: { name: 'sessions' } }],
  ])('with a wrong static option: %s', async (_, extras) => {
    const [name] = Object.keys(extras as object);
    // Thrown while the module is declared, or when the application starts.
    const start = async () => refused({}, extras as SessionModuleExtras);
    const message = await start().catch((error: unknown) => (error as Error).message);
    expect(message).toMatch(/SessionModule cannot start/);
    expect(message).toContain(`"${name}`);
  });

  describe.each(PLATFORMS)('on %s', platform => {
    it('with a second forRoot', async () => {
      @Module({ imports: [SessionModule.forRoot({ secret: SECRET })] })
      class Feature {}

      const imports = [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET }), Feature];
      const message = await refusalOf(startApplication({ platform, imports }));
      expect(message).toContain('SessionModule.forRoot is called twice');
      expect(message).toContain('keep one call');
    });

    it('but one forRoot may be imported in several places', async () => {
      const sessions = SessionModule.forRoot({ secret: SECRET, isGlobal: false });

      @Module({ imports: [sessions] })
      class Feature {}

      const { app } = await startApplication({ platform, imports: [typeOrmOn(database), sessions, Feature] });
      await expect(app.get(SessionService, { strict: false }).logIn('ada')).resolves.toBeDefined();
      await app.close();
    });
  });
});
