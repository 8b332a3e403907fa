import { Controller, Get, HttpCode, Post, UseGuards, ValidationPipe, type ValidationPipeOptions } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { IsString } from 'class-validator';
import { plainToInstance } from 'class-transformer';
import { inspect } from 'node:util';
import {
  CurrentSession,
  Exchange,
  Public,
  SessionController,
  SessionExchange,
  SessionGuard,
  UserSession,
} from 'nestjs-jwt-session';
import { AccountApp, PASSWORD } from '../accounts/account-app.js';
import { send } from '../support/client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';

class Note {
  @IsString()
  text!: string;
}

/** Handlers of an application that names the classes, so that pipes know them. */
@Controller()
class Own {
  @Get('own')
  @UseGuards(SessionGuard)
  own(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    const isSession = session instanceof UserSession && session.expiresAt instanceof Date;
    return { userId: session.userId, isSession, isExchange: exchange instanceof SessionExchange, path: exchange.path };
  }

  @Post('public')
  @HttpCode(200)
  @Public()
  open(@Exchange() exchange: SessionExchange) {
    return { origin: exchange.header('user-agent') !== undefined };
  }
}

@Controller('mine')
class Mine extends SessionController {}

const PIPES: ValidationPipeOptions[] = [
  { validateCustomDecorators: true },
  { validateCustomDecorators: true, transform: true },
  { validateCustomDecorators: true, whitelist: true },
  { validateCustomDecorators: true, whitelist: true, forbidNonWhitelisted: true, transform: true },
  { validateCustomDecorators: true, forbidUnknownValues: true, transform: true },
];

describe.each(PLATFORMS)('a global ValidationPipe that validates custom decorators, on %s', platform => {
  describe.each(PIPES)('%j', options => {
    let app: AccountApp;
    let test: TestApp;
    let id: string;
    beforeAll(async () => {
      app = await AccountApp.start({
        platform,
        controllers: [Own, Mine],
        configure: started => started.useGlobalPipes(new ValidationPipe(options)),
      });
      ({ test } = app);
      id = await app.member('ada@example.com');
    });
    afterAll(() => app?.close());

    it('an anonymous refresh is refused', async () => {
      for (const path of ['/session/refresh', '/mine/refresh']) {
        const { status, body } = await send(`${test.url}${path}`, { method: 'POST' });
        expect([path, status, body.errorCode]).toEqual([path, 401, 'session_missing']);
      }
    });

    it('the routes of sessions and accounts work', async () => {
      const client = await app.loggedIn('ada@example.com');
      const other = await app.loggedIn('ada@example.com');
      const post = { method: 'POST' };
      expect((await client.refresh()).status).toBe(200);
      expect((await client.send('/session')).body.expiresAt).toEqual(expect.any(String));
      expect((await client.send('/session/devices')).status).toBe(200);
      expect((await client.send('/session/devices/none', { method: 'DELETE' })).status).toBe(404);
      expect((await client.send('/account')).status).toBe(200);
      expect((await client.send('/account/reauthenticate', { ...post, body: { password: PASSWORD } })).status).toBe(
        200,
      );
      expect((await client.send('/session/logout-others', post)).body.ended).toBe(1);
      expect((await other.send('/me')).status).toBe(401);
      expect((await client.send('/session/logout-all', post)).status).toBe(200);
      const last = await app.loggedIn('ada@example.com');
      expect((await last.send('/session/logout', post)).status).toBe(204);
      expect((await app.post('login', { email: 'ada@example.com', password: 'wrong' })).status).toBe(401);
    });

    it("the application's own handlers get the session and the exchange themselves", async () => {
      const client = await app.loggedIn('ada@example.com');
      const { status, body } = await client.send('/own');
      expect([status, body]).toEqual([200, { userId: id, isSession: true, isExchange: true, path: '/own' }]);
      const open = await send(`${test.url}/public`, { method: 'POST' });
      expect([open.status, open.body]).toEqual([200, { origin: true }]);
    });
  });
});

describe('an exchange', () => {
  it('shows what copies or prints it neither request nor response', () => {
    const exchange = new SessionExchange({ headers: { cookie: 'secret' } }, { socket: 'secret' });
    expect(Object.keys(exchange)).toEqual([]);
    expect(JSON.stringify(exchange)).toBe('{}');
    expect(inspect(exchange, { depth: null })).not.toContain('secret');
    expect(Object.keys(plainToInstance(Note, exchange))).toEqual([]);
    expect(exchange.header('cookie')).toBe('secret');
  });
});
