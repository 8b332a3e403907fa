// An application with no options but the database's address, in a process of its own: PLATFORM and DATABASE_URL say
// which. It prints what a test needs as one line of JSON, and serves a stream that ends with its session.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule, SessionService } from 'nestjs-jwt-session';

const { PLATFORM, DATABASE_URL } = process.env;

class ApplicationModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: DATABASE_URL,
      autoLoadEntities: true,
      migrations: SESSION_MIGRATIONS,
      migrationsRun: true,
    }),
    SessionModule.forRoot(),
  ],
})(ApplicationModule);

const options = { forceCloseConnections: true, abortOnError: false };
const app =
  PLATFORM === 'fastify'
    ? await NestFactory.create(ApplicationModule, new FastifyAdapter(), options)
    : await NestFactory.create(ApplicationModule, options);
app.enableShutdownHooks();

const sessions = app.get(SessionService);
let streamed;
app.getHttpAdapter().get('/stream', (request, answer) => {
  const response = answer.raw ?? answer;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('event: open\n\n');
  sessions.endOf(streamed.session).subscribe(error => response.end(`event: ${error.errorCode}\n\n`));
});
await app.listen(0, '127.0.0.1');
streamed = await sessions.logIn('ada');

const refreshTokens = [];
for (let user = 0; user < 20; user++) refreshTokens.push((await sessions.logIn(`user-${user}`)).refreshToken);
console.log(JSON.stringify({ url: await app.getUrl(), refreshTokens }));
