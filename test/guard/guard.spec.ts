import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import {
  CurrentSession,
  OptionalSession,
  Public,
  SessionAuthenticator,
  SessionGuard,
  UserSession,
} from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { ACCESS_COOKIE, CookieClient, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

@Controller('method')
class MethodController {
  @Get('guarded')
  @UseGuards(SessionGuard)
  guarded(@CurrentSession() session: UserSession) {
    return { userId: session.userId, isSession: session instanceof UserSession };
  }

  @Get('optional')
  @OptionalSession()
  @UseGuards(SessionGuard)
  optional(@CurrentSession() session: UserSession | undefined) {
    return { userId: session?.userId ?? 'nobody' };
  }

  @Get('open')
  open() {
    return { userId: 'not asked' };
  }

  @Get('forgotten')
  forgotten(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }
}

@Controller('whole')
@UseGuards(SessionGuard)
class GuardedController {
  @Get('guarded')
  guarded(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }

  @Get('public')
  @Public()
  open(@CurrentSession() session: UserSession | undefined) {
    return { userId: session?.userId ?? 'not asked' };
  }

  @Get('optional')
  @OptionalSession()
  optional(@CurrentSession() session: UserSession | undefined) {
    return { userId: session?.userId ?? 'nobody' };
  }
}

@Controller('welcome')
@Public()
class PublicController {
  @Post()
  welcome() {
    return { userId: 'not asked' };
  }
}

const CONTROLLERS = [MethodController, GuardedController, PublicController];

describe.each(PLATFORMS)('SessionGuard on %s', platform => {
  let test: TestApp;
  let signedIn: Record<string, string>;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: CONTROLLERS });
    signedIn = { ...(await signInAs(test.app, 'ada')) };
  });
  afterAll(() => test?.close());

  const get = (path: string, headers: Record<string, string> = {}) => send(`${test.url}${path}`, { headers });

  it.each(['/method/guarded', '/whole/guarded'])('%s lets in who has a session, and nobody else', async path => {
    expect((await get(path, signedIn)).body.userId).toBe('ada');
    const refused = await get(path);
    expect(refused.body).toEqual({
      statusCode: 401,
      error: 'Unauthorized',
      errorCode: 'session_missing',
      message: expect.stringContaining('log in'),
    });
    // RFC 6750, section 3: no error code where no credentials came.
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('gives the handler a UserSession, also by cookie', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('grace');
    expect((await client.send('/method/guarded')).body).toEqual({ userId: 'grace', isSession: true });
  });

  it.each(['/method/optional', '/whole/optional'])(
    '%s lets in without credentials, but not with bad ones',
    async path => {
      expect((await get(path)).body).toEqual({ userId: 'nobody' });
      expect((await get(path, signedIn)).body).toEqual({ userId: 'ada' });
      for (const [name, value] of [
        ['authorization', 'Bearer junk'],
        ['cookie', `${ACCESS_COOKIE}=junk`],
      ]) {
        const refused = await get(path, { [name!]: value! });
        expect(refused.status).toBe(401);
        expect(refused.body.errorCode).toBe('access_token_invalid');
      }
    },
  );

  it('refuses the optional session that was ended', async () => {
    const { session, accessToken } = await test.sessions.logIn('grace', { transport: 'bearer' });
    await test.sessions.logOut(session.id);
    const refused = await get('/method/optional', { authorization: `Bearer ${accessToken}` });
    expect(refused.body.errorCode).toBe('session_revoked');
  });

  it.each<[string, Record<string, string>]>([
    ['no credentials', {}],
    ['bad ones', { authorization: 'Bearer junk' }],
  ])('does not look at credentials of @Public routes: %s', async (_, headers) => {
    expect((await get('/whole/public', headers)).body).toEqual({ userId: 'not asked' });
  });

  it('@CurrentSession() where no guard ran names the route and says what to do', async () => {
    // The message is for the developer; the client gets what Nest gives for it.
    const { status, body } = await get('/method/forgotten', signedIn);
    expect(status).toBe(500);
    expect(body.message).toContain('@CurrentSession() in MethodController.forgotten: no SessionGuard ran');
    expect(body.message).toContain('@UseGuards(SessionGuard)');
  });

  it('depends on nothing but Reflector and the authenticator, also a subclass of it', () => {
    class Own extends SessionGuard {}
    for (const guard of [SessionGuard, Own]) {
      expect(Reflect.getMetadata('design:paramtypes', guard)).toEqual([Reflector, SessionAuthenticator]);
      expect(Reflect.getMetadata('self:paramtypes', guard)).toBeUndefined();
    }
  });
});

describe.each(PLATFORMS)('SessionGuard for the whole application on %s', platform => {
  let test: TestApp;
  let signedIn: Record<string, string>;
  beforeAll(async () => {
    test = await startTestApp({
      platform,
      controllers: CONTROLLERS,
      providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
    });
    signedIn = { ...(await signInAs(test.app, 'ada')) };
  });
  afterAll(() => test?.close());

  const get = (path: string, headers: Record<string, string> = {}) => send(`${test.url}${path}`, { headers });

  it('guards every route that says nothing else', async () => {
    for (const path of ['/method/open', '/method/forgotten', '/me', '/session', '/session/devices']) {
      expect((await get(path)).body.errorCode).toBe('session_missing');
      expect((await get(path, signedIn)).status).toBe(200);
    }
    expect((await get('/method/forgotten', signedIn)).body).toEqual({ userId: 'ada' });
  });

  it('leaves out public methods and controllers', async () => {
    expect((await get('/whole/public')).body).toEqual({ userId: 'not asked' });
    const post = await send(`${test.url}/welcome`, { method: 'POST', headers: { authorization: 'Bearer junk' } });
    expect(post.body).toEqual({ userId: 'not asked' });
  });

  it('honours @OptionalSession', async () => {
    expect((await get('/method/optional')).body).toEqual({ userId: 'nobody' });
    expect((await get('/method/optional', { authorization: 'Bearer junk' })).status).toBe(401);
  });

  it("leaves the library's refresh, log-out and keys to those who have no access token", async () => {
    const { refreshToken } = await test.sessions.logIn('grace');
    const refresh = await send(`${test.url}/session/refresh`, { method: 'POST', body: { refreshToken } });
    expect(refresh.status).toBe(200);
    expect((await send(`${test.url}/session/logout`, { method: 'POST' })).status).toBe(204);
    expect((await get('/.well-known/jwks.json')).status).toBe(200);
  });
});
