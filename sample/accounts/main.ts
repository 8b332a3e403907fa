import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '../app/embedded-postgres.js';
import { AppModule } from './app.module.js';
import { MailCatcher } from './mail-catcher.js';

// This file runs as sample/accounts/dist/accounts/main.js.
const sample = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const port = Number(process.env.PORT ?? 3002);
const baseUrl = `http://localhost:${port}`;

// Root's own folders are closed to the database, which does not run as root.
const data = process.getuid?.() === 0 ? '/var/tmp/nestjs-jwt-session-sample-accounts' : join(sample, '.data');
const embedded = process.env.DATABASE_URL ? undefined : await startEmbeddedPostgres(data);
const catcher = new MailCatcher();
const smtp = await catcher.start();

/** No script and no style but our own files; no other page frames ours; no address goes along with a link. */
function setHeaders(response: ServerResponse): void {
  response.setHeader(
    'Content-Security-Policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', 'no-cache');
}

const databaseUrl = process.env.DATABASE_URL ?? embedded!.url;
const app = await NestFactory.create<NestExpressApplication>(AppModule.on({ databaseUrl, baseUrl, smtp, catcher }));
app.setGlobalPrefix('api');
app.useStaticAssets(join(sample, 'pages'), { extensions: ['html'], setHeaders });
await app.listen(port);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void app
      .close()
      .then(() => embedded?.stop())
      .then(() => process.exit(0));
  });
}

console.log(`
The sample listens on ${baseUrl}

  ${baseUrl}/register   make an account
  ${baseUrl}/mails      the mails that it sends
`);
