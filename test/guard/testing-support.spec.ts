import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Post, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { TestingModuleBuilder } from '@nestjs/testing';
import {
  AccessTokenInvalidError,
  CurrentSession,
  NotWhileImpersonating,
  RequireRecentLogin,
  SessionAuthenticator,
  type SessionExchange,
  SessionGuard,
  SessionModule,
  SessionService,
  sessionOf,
  UserSession,
} from 'nestjs-jwt-session';
import { type FakeSession, FakeSessionGuard, SessionClock, signInAs, TestClock } from 'nestjs-jwt-session/testing';
import { startApplication, typeOrmOn } from '../support/application.js';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS, SECRET } from '../support/test-app.js';

@Controller('me')
@UseGuards(SessionGuard)
class MeController {
  @Get()
  me(@CurrentSession() session: UserSession) {
    const { userId, claims } = session;
    return { userId, claims, isSession: session instanceof UserSession, lasts: session.expiresAt > session.createdAt };
  }

  @Post()
  act(@CurrentSession() { userId }: UserSession) {
    return { userId };
  }
}

/** Believes what a header says, as an application's own tests may wish. */
class HeaderAuthenticator extends SessionAuthenticator {
  readonly refusals: unknown[] = [];

  async authenticate({ request }: SessionExchange): Promise<UserSession | undefined> {
    const userId = request.headers['x-user'];
    if (userId === 'mallory') throw new AccessTokenInvalidError();
    if (typeof userId !== 'string') return undefined;
    const now = new Date();
    const id = '01890000-0000-7000-8000-000000000000';
    return new UserSession({ id, userId, claims: {}, authenticatedAt: now, expiresAt: now });
  }

  requireRecentLogin(): void {}

  refuse(_: SessionExchange, error: unknown): void {
    this.refusals.push(error);
  }
}

describe.each(PLATFORMS)('tests of an application on %s', platform => {
  let database: TestDatabase;
  let app: INestApplication | undefined;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(() => database.drop());

  async function start(override: (builder: TestingModuleBuilder) => void, sessions = {}): Promise<string> {
    const imports = [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET, ...sessions })];
    const started = await startApplication({ platform, imports, controllers: [MeController], override });
    app = started.app;
    return started.url;
  }

  it.each([
    { transport: 'cookie', csrf: 'origin' },
    { transport: 'cookie', csrf: 'token' },
    { transport: 'cookie', csrf: 'both' },
    { transport: 'bearer', binding: { ip: 'always', userAgent: 'always' } },
  ])('sign somebody in who changes something, with %j', async options => {
    const url = await start(() => undefined, options);
    const client = { ip: '127.0.0.1', userAgent: 'a test' };
    const headers = { 'User-Agent': client.userAgent, ...(await signInAs(app!, 'ada', client)) };
    expect(await send(`${url}/me`, { method: 'POST', headers })).toMatchObject({
      status: 201,
      body: { userId: 'ada' },
    });
  });

  it('put a fake guard in the place of the real one, without a database and without the module', async () => {
    const started = await startApplication({
      platform,
      controllers: [MeController],
      override: builder =>
        builder
          .overrideGuard(SessionGuard)
          .useValue(new FakeSessionGuard({ userId: 'ada', claims: { role: 'admin' } })),
    });
    app = started.app;
    expect((await send(`${started.url}/me`)).body).toEqual({
      userId: 'ada',
      claims: { role: 'admin' },
      isSession: true,
      lasts: true,
    });
  });

  it('let @RequireRecentLogin() ask the fake guard, without a database and without the module', async () => {
    @Controller('payments')
    class PaymentsController {
      @Post()
      @RequireRecentLogin('5m')
      pay(@CurrentSession() session: UserSession) {
        return { userId: session.userId };
      }
    }

    const answerTo = async (session: Partial<FakeSession>) => {
      const guard = new FakeSessionGuard({ userId: 'ada', ...session });
      const started = await startApplication({
        platform,
        controllers: [PaymentsController],
        override: builder => builder.overrideGuard(SessionGuard).useValue(guard),
      });
      const { status, body } = await send(`${started.url}/payments`, { method: 'POST' });
      await started.app.close();
      return { status, ...body };
    };
    expect(await answerTo({})).toEqual({ status: 201, userId: 'ada' });
    expect(await answerTo({ authenticatedAt: new Date(Date.now() - 299_000) })).toMatchObject({ status: 201 });
    expect(await answerTo({ authenticatedAt: new Date(Date.now() - 301_000) })).toMatchObject({
      status: 401,
      errorCode: 'insufficient_user_authentication',
    });
  });

  it('F35: let @NotWhileImpersonating() ask the fake guard', async () => {
    @Controller('consents')
    class ConsentsController {
      @Post()
      @NotWhileImpersonating()
      consent(@CurrentSession() session: UserSession) {
        return { userId: session.userId };
      }
    }

    const answerTo = async (session: Partial<FakeSession>) => {
      const guard = new FakeSessionGuard({ userId: 'ada', ...session });
      const started = await startApplication({
        platform,
        controllers: [ConsentsController],
        override: builder => builder.overrideGuard(SessionGuard).useValue(guard),
      });
      const { status, body } = await send(`${started.url}/consents`, { method: 'POST' });
      await started.app.close();
      return { status, ...body };
    };
    expect(await answerTo({})).toEqual({ status: 201, userId: 'ada' });
    const actor = { userId: 'support', sessionId: '01890000-0000-7000-8000-000000000000' };
    expect(await answerTo({ actor })).toMatchObject({ status: 403, errorCode: 'not_while_impersonating' });
  });

  it('replace the global guard, which is registered by useExisting', async () => {
    @Controller('open')
    class OpenController {
      @Get()
      open(@CurrentSession() session: UserSession) {
        return { userId: session.userId };
      }
    }

    @Module({ controllers: [OpenController], providers: [{ provide: APP_GUARD, useExisting: SessionGuard }] })
    class GloballyGuarded {}

    const started = await startApplication({
      platform,
      imports: [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET }), GloballyGuarded],
      override: builder => builder.overrideProvider(SessionGuard).useValue(new FakeSessionGuard({ userId: 'ada' })),
    });
    app = started.app;
    expect((await send(`${started.url}/open`)).body).toEqual({ userId: 'ada' });
  });

  it('replace the authenticator, and keep the guard', async () => {
    const authenticator = new HeaderAuthenticator();
    const url = await start(builder => builder.overrideProvider(SessionAuthenticator).useValue(authenticator));
    expect((await send(`${url}/me`, { headers: { 'x-user': 'grace' } })).body.userId).toBe('grace');
    expect((await send(`${url}/me`)).body.errorCode).toBe('session_missing');
    expect((await send(`${url}/me`, { headers: { 'x-user': 'mallory' } })).body.errorCode).toBe('access_token_invalid');
    expect(authenticator.refusals).toHaveLength(2);
  });

  it('the guard works in an application that has nothing but an authenticator', async () => {
    const providers = [{ provide: SessionAuthenticator, useClass: HeaderAuthenticator }];
    const started = await startApplication({ platform, controllers: [MeController], providers });
    app = started.app;
    expect((await send(`${started.url}/me`, { headers: { 'x-user': 'ada' } })).status).toBe(200);
    expect((await send(`${started.url}/me`)).status).toBe(401);
  });

  it.each(['both', 'bearer', 'cookie'] as const)(
    'sign in without a login route, with transport %s',
    async transport => {
      const url = await start(() => {}, { transport });
      const headers = await signInAs(app!, 'ada', { claims: { role: 'admin' } });
      const { body } = await send(`${url}/me`, { headers: { ...headers } });
      expect(body).toMatchObject({ userId: 'ada', claims: { role: 'admin' } });
      expect(await app!.get(SessionService).logOutAll('ada')).toBeGreaterThan(0);
      expect((await send(`${url}/me`, { headers: { ...headers } })).body.errorCode).toBe('session_revoked');
    },
  );

  it('set the clock: forward, back, and to the time that it is', async () => {
    const clock = new TestClock();
    const url = await start(builder => builder.overrideProvider(SessionClock).useValue(clock));
    const headers = { ...(await signInAs(app!, 'ada')) };
    const status = async () => (await send(`${url}/me`, { headers })).status;

    clock.advance('9m');
    expect(await status()).toBe(200);
    clock.advance('61s');
    expect((await send(`${url}/me`, { headers })).body.errorCode).toBe('access_token_expired');
    clock.advance('-2m');
    expect(await status()).toBe(200);
    clock.advance('1h');
    clock.reset();
    expect(await status()).toBe(200);
    expect(() => clock.advance('soon')).toThrow("write a duration such as '11m', not 'soon'");
  });
});

function sessionBy(guard: FakeSessionGuard): UserSession {
  const request = { headers: {} };
  const http = { getRequest: () => request, getResponse: () => undefined };
  const [getHandler, getClass] = [() => sessionBy, () => MeController];
  const context = { getType: () => 'http', switchToHttp: () => http, getHandler, getClass };
  expect(guard.canActivate(context as never)).toBe(true);
  return sessionOf(request)!;
}

describe('FakeSessionGuard', () => {
  it('gives each fake the session id that it is told, and a real one otherwise', () => {
    const id = '01890000-0000-7000-8000-000000000000';
    expect(sessionBy(new FakeSessionGuard({ userId: 'ada', id })).id).toBe(id);
    expect(sessionBy(new FakeSessionGuard({ userId: 'ada' })).createdAt.getTime()).toBeLessThanOrEqual(Date.now());
  });
});
