// A fresh application that has the packed package and nothing of this repository: logs in, is let in, refreshes, logs out.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { Body, Controller, Get, HttpCode, Module, Post, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  CurrentSession,
  Exchange,
  SESSION_MIGRATIONS,
  SessionExchange,
  SessionGuard,
  SessionModule,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';

declare module 'nestjs-jwt-session' {
  interface SessionClaims {
    role: 'admin' | 'user';
  }
}

@Controller()
class AuthController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  @HttpCode(200)
  logIn(@Body() body: { userId: string }, @Exchange() exchange: SessionExchange) {
    return this.sessions.logIn(body.userId, { exchange, claims: { role: 'admin' } });
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() session: UserSession) {
    const role: 'admin' | 'user' = session.claims.role;
    return { userId: session.userId, role };
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL,
      autoLoadEntities: true,
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot({ secret: process.env.SESSION_SECRET }),
  ],
  controllers: [AuthController],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
await app.listen(0, '127.0.0.1');
const url = await app.getUrl();

async function call(path: string, method: string, headers: Record<string, string>, body?: object) {
  const init = {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  };
  const response = await fetch(url + path, init);
  const text = await response.text();
  return { status: response.status, body: (text ? JSON.parse(text) : {}) as Record<string, string> };
}

const login = await call('/login', 'POST', { 'session-transport': 'bearer' }, { userId: 'ada' });
assert.equal(login.status, 200);
const bearer = { authorization: `Bearer ${login.body.accessToken}` };
assert.deepEqual((await call('/me', 'GET', bearer)).body, { userId: 'ada', role: 'admin' });
const refreshed = await call('/session/refresh', 'POST', {}, { refreshToken: login.body.refreshToken });
assert.equal(refreshed.status, 200);
assert.notEqual(refreshed.body.refreshToken, login.body.refreshToken);
assert.equal((await call('/session/logout', 'POST', bearer)).status, 204);
assert.equal((await call('/me', 'GET', bearer)).body.errorCode, 'session_revoked');
const grace = { ...(await signInAs(app, 'grace', { claims: { role: 'user' } })) };
assert.equal((await call('/me', 'GET', grace)).body.role, 'user');
await app.close();
console.log('the packed package works in a fresh application');
