import 'reflect-metadata';
import { ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { makeCertificate } from './certificate.js';
import { databaseUrl, platform, port, usesTls } from './settings.js';

await createApp().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});

async function createApp(): Promise<void> {
  const module = AppModule.on(databaseUrl());
  const httpsOptions = usesTls ? makeCertificate() : undefined;
  // Connections that browsers keep open must not hold up the shutdown.
  const options = { abortOnError: false, forceCloseConnections: true };
  const application =
    platform === 'fastify'
      ? await NestFactory.create(
          module,
          new FastifyAdapter(httpsOptions ? { https: httpsOptions } : undefined),
          options,
        )
      : await NestFactory.create(module, { ...options, httpsOptions });
  application.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true }));
  application.enableShutdownHooks([], { useProcessExit: true });
  await application.listen(port);
}

const url = `${usesTls ? 'https' : 'http'}://localhost:${port}`;
const curl = usesTls ? 'curl -k' : 'curl';
const aboutTls = usesTls
  ? '\nBrowsers bind sessions over https alone. The certificate was made at this start, so that your browser warns of it.\n'
  : '';
console.log(`
The sample listens on ${url}. Its users: ada / lovelace (admin), grace / hopper.
${aboutTls}
  ${curl} -sc jar -H 'Content-Type: application/json' -d '{"username":"ada","password":"lovelace"}' ${url}/login
  ${curl} -sb jar ${url}/me
  ${curl} -sb jar -c jar -X POST ${url}/session/refresh
`);
