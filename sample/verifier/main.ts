import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { platform, port, verifierOptions } from './settings.js';

const app: INestApplication =
  platform === 'fastify'
    ? await NestFactory.create(AppModule, new FastifyAdapter(), { forceCloseConnections: true })
    : await NestFactory.create(AppModule, { forceCloseConnections: true });
app.enableShutdownHooks();
await app.listen(port);

const url = `http://localhost:${port}`;
console.log(`
The service listens on ${url}. It has no database, and trusts the keys at ${verifierOptions().jwksUri}.
With the jar of the first sample's login:

  curl -sb jar ${url}/whoami
  curl -s ${url}/weather

Log out in the first sample: the service refuses the token within ten seconds, without a request for it.
`);
