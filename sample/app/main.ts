import 'reflect-metadata';
import { type INestApplication, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { databaseUrl, platform, port } from './settings.js';

const app = await createApp().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});

async function createApp(): Promise<INestApplication> {
  const module = AppModule.on(databaseUrl());
  const application =
    platform === 'fastify'
      ? await NestFactory.create(module, new FastifyAdapter(), { abortOnError: false })
      : await NestFactory.create(module, { abortOnError: false });
  application.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true }));
  await application.listen(port);
  return application;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void app.close().then(() => process.exit(0));
  });
}

const url = `http://localhost:${port}`;
console.log(`
The sample listens on ${url}. Its users: ada / lovelace (admin), grace / hopper.

  curl -sc jar -H 'Content-Type: application/json' -d '{"username":"ada","password":"lovelace"}' ${url}/login
  curl -sb jar ${url}/me
  curl -sb jar -c jar -X POST ${url}/session/refresh
`);
