import { type INestApplication, type LoggerService, Module, type ModuleMetadata } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import type { Server } from 'node:http';
import type { TestDatabase } from './database.js';
import type { Platform } from './test-app.js';

/** The `TypeOrmModule` as an application imports it. */
export function typeOrmOn(database: TestDatabase, options: object = {}) {
  return TypeOrmModule.forRoot({
    type: 'postgres',
    url: database.url,
    autoLoadEntities: true,
    migrations: [...SESSION_MIGRATIONS],
    migrationsRun: true,
    logger: 'debug',
    retryAttempts: 0,
    ...options,
  } as TypeOrmModuleOptions);
}

/** Puts a data source of the given type in the place of a connected one. */
export function dataSourceOfType(type: string) {
  const fake = {
    options: { type },
    subscribers: [],
    entityMetadatas: [],
    getRepository: () => ({}),
    destroy: () => {},
  };
  return (builder: TestingModuleBuilder) => void builder.overrideProvider(getDataSourceToken()).useValue(fake);
}

/** For starts that are refused before the database is asked. */
export const withoutDatabase = dataSourceOfType('postgres');

export interface ApplicationOptions extends ModuleMetadata {
  platform?: Platform;
  override?: (builder: TestingModuleBuilder) => void;
  configure?: (app: INestApplication) => void;
}

const SILENT: LoggerService = { log: () => {}, warn: () => {}, error: () => {} };

/**
 * Starts exactly the given module, listening on 127.0.0.1. `startTestApp` is for tests that need no modules of their
 * own.
 */
export async function startApplication(options: ApplicationOptions): Promise<{ app: INestApplication; url: string }> {
  const { platform, override, configure, ...metadata } = options;

  @Module(metadata)
  class ApplicationModule {}

  const builder = Test.createTestingModule({ imports: [ApplicationModule] }).setLogger(SILENT);
  override?.(builder);
  const module = await builder.compile();
  const app =
    platform === 'fastify' ? module.createNestApplication(new FastifyAdapter()) : module.createNestApplication();
  app.useLogger(false);
  configure?.(app);
  return { app, url: await listen(app) };
}

/** Listens on 127.0.0.1. Returns the root URL. Closes an application that does not start. */
export async function listen(app: INestApplication): Promise<string> {
  try {
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    throw error;
  }
  // The client closes idle connections, so that it never sends on one that the server is closing.
  (app.getHttpServer() as Server).keepAliveTimeout = 0;
  return app.getUrl();
}

/** The message with which an application refuses to start. */
export async function refusalOf(start: Promise<{ app: INestApplication }>): Promise<string> {
  const outcome = await start.catch((error: unknown) => error);
  if (outcome instanceof Error) return outcome.message;
  await (outcome as { app: INestApplication }).app.close();
  throw new Error('the application has started');
}
