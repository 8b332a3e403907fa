import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication, Injectable, Module } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import {
  SessionModule,
  type SessionModuleAsyncOptions,
  type SessionModuleOptions,
  type SessionOptionsFactory,
  SessionService,
} from 'nestjs-jwt-session';
import { refusalOf, startApplication, typeOrmOn, withoutDatabase } from '../support/application.js';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS } from '../support/test-app.js';

@Injectable()
class Config {
  readonly secret = 'a-secret-that-the-configuration-has';
  readonly lifetime = '7m';
}

@Module({ providers: [Config], exports: [Config] })
class ConfigModule {}

@Injectable()
class ConfiguredOptions implements SessionOptionsFactory {
  readonly config = new Config();

  async createSessionOptions(): Promise<SessionModuleOptions> {
    return { secret: this.config.secret, accessToken: { lifetime: this.config.lifetime } };
  }
}

@Module({ providers: [ConfiguredOptions], exports: [ConfiguredOptions] })
class OptionsModule {}

describe('SessionModule.forRootAsync', () => {
  let database: TestDatabase;
  let app: INestApplication | undefined;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(() => database.drop());

  const started = (options: SessionModuleAsyncOptions, platform: (typeof PLATFORMS)[number] = 'express') =>
    startApplication({ platform, imports: [typeOrmOn(database), SessionModule.forRootAsync(options)] });
  const refused = (options: SessionModuleAsyncOptions) =>
    refusalOf(
      startApplication({
        imports: [typeOrmOn(database), SessionModule.forRootAsync(options)],
        override: withoutDatabase,
      }),
    );

  it.each<[string, SessionModuleAsyncOptions]>([
    [
      'useFactory with imports and inject',
      {
        imports: [ConfigModule],
        inject: [Config],
        useFactory: (config: Config) => ({ secret: config.secret, accessToken: { lifetime: config.lifetime } }),
      },
    ],
    [
      'a useFactory that answers later, with an optional dependency',
      {
        inject: [{ token: 'NOT_PROVIDED', optional: true }],
        useFactory: async (missing: unknown) => ({
          secret: new Config().secret,
          accessToken: { lifetime: missing === undefined ? '7m' : '9m' },
        }),
      },
    ],
    ['useClass', { useClass: ConfiguredOptions }],
    ['useExisting', { imports: [OptionsModule], useExisting: ConfiguredOptions }],
  ])('takes the options of %s', async (_, options) => {
    ({ app } = await started(options));
    const { expiresIn } = await app.get(SessionService).logIn('ada');
    expect(expiresIn).toBe(7 * 60);
  });

  it('resolves useExisting to the instance that there is, and makes none of its own', async () => {
    ({ app } = await started({ imports: [OptionsModule], useExisting: ConfiguredOptions }));
    const found = await app.resolve(ConfiguredOptions, undefined, { strict: false, each: true });
    expect(found).toHaveLength(1);
  });

  it('works with a factory that returns nothing special', async () => {
    ({ app } = await started({ useFactory: () => ({ secret: new Config().secret }) }));
    expect((await app.get(SessionService).logIn('ada')).expiresIn).toBe(600);
  });

  it.each([
    ['dataSource', 'sessions'],
    ['controller', false],
    ['jwks', false],
    ['isGlobal', true],
  ])('refuses the static option %s in the result of the factory, and shows where it belongs', async (name, value) => {
    const message = await refused({ useFactory: () => ({ [name]: value }) as SessionModuleOptions });
    expect(message).toContain(`option "${name}" is static: write it beside useFactory`);
    expect(message).toContain(`forRootAsync({ ${name}: …, useFactory })`);
  });

  it.each<[string, SessionModuleOptions, RegExp]>([
    ['an unknown option', { leeway: '5s' } as SessionModuleOptions, /unknown option "leeway"/],
    ['an undefined secret', { secret: undefined }, /option "secret" is present but undefined/],
    ['a contradiction', { accessToken: { lifetime: '10s' } }, /"session\.leeway" must be at most half/],
  ])('refuses %s in the result of the factory', async (_, options, message) => {
    expect(await refused({ useFactory: () => options })).toMatch(message);
  });

  it.each<[string, object, RegExp]>([
    ['a misspelt static option', { controler: false }, /unknown option "controler": did you mean "controller"\?/],
    ['an option of the factory', { secret: 'x' }, /unknown option "secret": .*belong in the result of the factory/],
  ])('refuses %s beside the factory, where it has no effect', (_, options, message) => {
    expect(() => SessionModule.forRootAsync({ ...options, useFactory: () => ({}) })).toThrow(message);
  });

  it('refuses to be called without a way to get the options', () => {
    expect(() => SessionModule.forRootAsync({ isGlobal: false })).toThrow(
      /one of useFactory, useClass and useExisting/,
    );
  });

  describe.each(PLATFORMS)('on %s', platform => {
    it('takes the static options beside the factory', async () => {
      const options = { useFactory: () => ({ secret: new Config().secret }) };
      const application = await started(
        { ...options, controller: { path: 'auth' }, jwks: { path: '/keys.json' }, isGlobal: false },
        platform,
      );
      app = application.app;
      const { url } = application;
      expect((await send(`${url}/auth/refresh`, { method: 'POST' })).body.errorCode).toBe('session_missing');
      expect((await send(`${url}/session/refresh`, { method: 'POST' })).status).toBe(404);
      expect((await send(`${url}/keys.json`)).body.keys).toContainEqual(expect.objectContaining({ kty: 'EC' }));
      expect((await send(`${url}/.well-known/jwks.json`)).status).toBe(404);
    });

    it('mounts nothing where controller and jwks are false, and sessions work all the same', async () => {
      const options = { useFactory: () => ({ secret: new Config().secret }) };
      const application = await started({ ...options, controller: false, jwks: false }, platform);
      app = application.app;
      const { url } = application;
      expect((await send(`${url}/session`)).status).toBe(404);
      expect((await send(`${url}/session/refresh`, { method: 'POST' })).status).toBe(404);
      expect((await send(`${url}/.well-known/jwks.json`)).status).toBe(404);
      const sessions = app.get(SessionService);
      const { refreshToken } = await sessions.logIn('ada');
      await expect(sessions.refresh({ refreshToken: refreshToken! })).resolves.toMatchObject({ expiresIn: 600 });
    });
  });

  it('is given the data source beside the factory', async () => {
    const name = 'sessions';
    ({ app } = await startApplication({
      imports: [
        typeOrmOn(database, { name }),
        SessionModule.forRootAsync({ dataSource: name, useFactory: () => ({ secret: new Config().secret }) }),
      ],
    }));
    await app.get(SessionService).logIn('ada');
    expect(app.get<DataSource>(getDataSourceToken(name)).isInitialized).toBe(true);
  });
});
