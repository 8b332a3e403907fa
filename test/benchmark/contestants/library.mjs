import { generateKeyPairSync } from 'node:crypto';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule } from '../../../dist/index.js';
import { POOL_SIZE } from '../support/postgres.mjs';

/** The signing key, so that tokens can be made that no contestant has seen. */
export const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const SECRET = 'a secret for measurements only, and long enough';

/** A module with a session module on the database; all options but these have their defaults. */
export function libraryModule(url, { session = {}, binding = {}, keyBinding = {}, imports = [], ...metadata } = {}) {
  class LibraryModule {}
  const own = [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url,
      poolSize: POOL_SIZE,
      autoLoadEntities: true,
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot({ secret: SECRET, keys: { signingKey: privateKey }, session, binding, keyBinding }),
  ];
  Module({ imports: [...own, ...imports], ...metadata })(LibraryModule);
  return LibraryModule;
}

/** The library in an application without HTTP. */
export async function startLibrary(url, options) {
  return NestFactory.createApplicationContext(libraryModule(url, options), { logger: ['error'] });
}

/** The library in an application on Fastify that does not listen. */
export async function startLibraryOnFastify(url, options) {
  const app = await NestFactory.create(libraryModule(url, options), new FastifyAdapter(), {
    logger: ['error', 'warn'],
  });
  return app.init();
}
