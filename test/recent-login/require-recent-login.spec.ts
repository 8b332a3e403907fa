import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CurrentSession, Public, RequireRecentLogin, SessionGuard, UserSession } from 'nestjs-jwt-session';
import { CookieClient, send } from '../support/client.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Controller('methods')
class MethodsController {
  @Get('alone')
  @RequireRecentLogin('5m')
  alone(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }

  @Get('before')
  @RequireRecentLogin('5m')
  @UseGuards(SessionGuard)
  before(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }

  @Get('after')
  @UseGuards(SessionGuard)
  @RequireRecentLogin('5m')
  after(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }
}

@Controller('whole')
@RequireRecentLogin('5m')
class WholeController {
  @Get()
  whole(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }

  @Get('stricter')
  @RequireRecentLogin('1m')
  stricter(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }
}

@Controller('public')
@Public()
class PublicController {
  @Get('open')
  open() {
    return { open: true };
  }

  @Get('sensitive')
  @RequireRecentLogin('5m')
  sensitive(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }

  @Get('guarded')
  @UseGuards(SessionGuard)
  @RequireRecentLogin('5m')
  guarded(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }

  @Post('sensitive')
  @RequireRecentLogin('5m')
  change(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }
}

const SENSITIVE = [
  '/methods/alone',
  '/methods/before',
  '/methods/after',
  '/whole',
  '/public/sensitive',
  '/public/guarded',
];

describe.each(PLATFORMS)('S13: @RequireRecentLogin on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  describe.each(['without a global guard', 'under a global guard'])('%s', where => {
    let test: TestApp;
    beforeAll(async () => {
      test = await apps.start({
        controllers: [MethodsController, WholeController, PublicController, LogInWithController],
        providers: where.startsWith('under') ? [{ provide: APP_GUARD, useExisting: SessionGuard }] : [],
      });
    });

    async function logIn(): Promise<CookieClient> {
      const client = new CookieClient(test.url);
      await client.send('/log-in-with', { method: 'POST', body: { userId: 'ada' } });
      return client;
    }

    it('admits users who have logged in recently', async () => {
      const client = await logIn();
      await test.advance('4m');
      for (const path of SENSITIVE) {
        expect([path, (await client.send(path)).body]).toEqual([path, { userId: 'ada' }]);
      }
      expect((await client.send('/whole/stricter')).body.errorCode).toBe('insufficient_user_authentication');
    });

    it('refuses an older login as RFC 9470 says, and the session lives on', async () => {
      const client = await logIn();
      await test.advance('301s');
      await client.refresh();
      for (const path of SENSITIVE) {
        const answer = await client.send(path);
        expect([path, answer.status, answer.body.errorCode]).toEqual([path, 401, 'insufficient_user_authentication']);
        expect(answer.headers.get('www-authenticate')).toMatch(
          /^Bearer error="insufficient_user_authentication", error_code="insufficient_user_authentication", error_description="[^"]+", max_age="300"$/,
        );
        expect(answer.setCookie).toEqual([]);
      }
      expect((await client.send('/whole/stricter')).headers.get('www-authenticate')).toMatch(/max_age="60"$/);
      expect((await client.send('/me')).status).toBe(200);
      expect(test.events).toContainEqual(
        expect.objectContaining({ type: 'session.refused', code: 'insufficient_user_authentication' }),
      );
    });

    it('refuses those without a session, and a bad token, by their own codes', async () => {
      for (const path of SENSITIVE) {
        expect((await send(`${test.url}${path}`)).body.errorCode).toBe('session_missing');
        const headers = { authorization: 'Bearer junk' };
        expect((await send(`${test.url}${path}`, { headers })).body.errorCode).toBe('access_token_invalid');
      }
    });

    it('X01: other sites are refused', async () => {
      const client = await logIn();
      const headers = { 'sec-fetch-site': 'cross-site' };
      const answer = await client.send('/public/sensitive', { method: 'POST', headers });
      expect(answer).toMatchObject({ status: 403, body: { errorCode: 'csrf_rejected' } });
    });

    it('@Public() beside it lets everybody in', async () => {
      expect((await send(`${test.url}/public/open`)).body).toEqual({ open: true });
    });
  });
});

it.each(['5', '5 minutes', '', 300 as unknown as string])('RequireRecentLogin(%j) throws where it is written', age => {
  expect(() => RequireRecentLogin(age)).toThrow(/RequireRecentLogin.*write/);
});
