import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { databaseUrl } from '../app/settings.js';
import { AppModule } from './app.module.js';
import { MailCatcher } from './mail-catcher.js';

// This file runs as sample/accounts/dist/accounts/main.js.
const sample = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const port = Number(process.env.PORT ?? 3002);
const baseUrl = `http://localhost:${port}`;

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

const module = AppModule.on({ databaseUrl: databaseUrl(), baseUrl, smtp, catcher });
const app = await NestFactory.create<NestExpressApplication>(module, { forceCloseConnections: true });
app.setGlobalPrefix('api');
// The design is that of the other sample, and sessions are kept by the package's own client.
app.useStaticAssets(join(dirname(sample), 'app', 'public'), { prefix: '/assets', setHeaders });
app.useStaticAssets(fileURLToPath(new URL('client/', import.meta.resolve('nestjs-jwt-session'))), {
  prefix: '/assets/client',
  setHeaders,
});
app.useStaticAssets(join(sample, 'pages'), { extensions: ['html'], setHeaders });
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(port);

console.log(`
The sample listens on ${baseUrl}

  ${baseUrl}/register   make an account
  ${baseUrl}/mails      the mails that it sends
`);
