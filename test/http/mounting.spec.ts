import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpException,
  type INestApplication,
  Injectable,
  type NestInterceptor,
  ValidationPipe,
  VersioningType,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Public, SessionController, SessionGuard } from 'nestjs-jwt-session';
import { map, type Observable } from 'rxjs';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { type AnswerBody, send } from '../support/client.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { PLATFORMS, type TestAppOptions } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Injectable()
class Wrapping implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

@Catch()
class CatchAll implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: unknown, context: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 500;
    const cause = error instanceof HttpException ? error.getResponse() : {};
    this.host.httpAdapter.reply(context.switchToHttp().getResponse(), { caught: true, cause }, status);
  }
}

@Controller()
class Wildcard {
  @Get('*')
  @Public()
  all() {
    return { wildcard: true };
  }
}

@Controller('auth')
class Mine extends SessionController {}

const STRICT = { whitelist: true, forbidNonWhitelisted: true, transform: true } as const;
const URI = { type: VersioningType.URI, defaultVersion: '1' } as const;
const JWKS = '/.well-known/jwks.json';

interface Mounting extends TestAppOptions {
  login?: string;
  at?: string;
  /** Where the public keys are. */
  jwks?: string;
  /** Takes off what the application puts around its answers. */
  unwrap?: (body: AnswerBody) => AnswerBody;
}

const inData = (body: AnswerBody) => body.data as AnswerBody;
const everything = (app: INestApplication) => app.setGlobalPrefix('api').enableVersioning(URI);

const MOUNTINGS: Record<string, Mounting> = {
  'a global prefix': {
    configure: app => app.setGlobalPrefix('api'),
    login: '/api/log-in-with',
    at: '/api/session',
  },
  'URI versioning with a default version': {
    configure: app => app.enableVersioning(URI),
    login: '/v1/log-in-with',
  },
  'an interceptor that wraps answers': {
    providers: [{ provide: APP_INTERCEPTOR, useClass: Wrapping }],
    unwrap: inData,
  },
  'a filter that catches everything': { providers: [{ provide: APP_FILTER, useClass: CatchAll }] },
  'a strict ValidationPipe': { providers: [{ provide: APP_PIPE, useValue: new ValidationPipe(STRICT) }] },
  'a global guard': { providers: [{ provide: APP_GUARD, useExisting: SessionGuard }] },
  'all of it': {
    configure: everything,
    providers: [
      { provide: APP_INTERCEPTOR, useClass: Wrapping },
      { provide: APP_FILTER, useClass: CatchAll },
      { provide: APP_PIPE, useValue: new ValidationPipe(STRICT) },
      { provide: APP_GUARD, useExisting: SessionGuard },
    ],
    controllers: [Wildcard],
    login: '/api/v1/log-in-with',
    at: '/api/session',
    unwrap: inData,
  },
  'paths of the application’s choice': {
    session: { controller: { path: 'account/session' }, jwks: { path: '/keys' } },
    at: '/account/session',
    jwks: '/keys',
  },
};

describe.each(PLATFORMS)('mounted on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  const start = (options: TestAppOptions) =>
    apps.start({ ...options, controllers: [LogInWithController, ...(options.controllers ?? [])] });

  describe.each(Object.entries(MOUNTINGS))('under %s', (_, mounting) => {
    const { login = '/log-in-with', at = '/session', jwks = JWKS, unwrap = body => body } = mounting;
    let url: string;
    beforeAll(async () => {
      ({ url } = await start(mounting));
    });

    it('a session goes its way', async () => {
      const browser = new CookieJarClient(url);
      expect((await browser.logIn('ada', login)).status).toBe(200);
      await apps.clock.advance('11m');
      const refresh = await browser.post(`${at}/refresh`, { anything: 'else' });
      expect([refresh.status, unwrap(refresh.body).expiresIn]).toEqual([200, 600]);
      const { body } = await browser.send(at);
      expect(unwrap(body).userId).toBe('ada');
      expect(unwrap((await browser.send(`${at}/devices`)).body)).toContainEqual(
        expect.objectContaining({ id: unwrap(body).id, current: true }),
      );
      expect(unwrap((await browser.post(`${at}/logout-others`)).body).ended).toEqual(expect.any(Number));
      expect((await browser.send(`${at}/devices/none`, { method: 'DELETE' })).status).toBe(404);
      expect((await browser.post(`${at}/logout`)).status).toBe(204);
      expect(browser.cookies).toEqual([]);
    });

    it('so does one without cookies', async () => {
      const asks = { method: 'POST', headers: { 'session-transport': 'bearer' }, body: { userId: 'ada' } };
      const { refreshToken } = unwrap((await send(url + login, asks)).body);
      const refresh = await send(`${url}${at}/refresh`, { method: 'POST', body: { refreshToken, anything: 'else' } });
      expect(refresh.status).toBe(200);
      const headers = { authorization: `Bearer ${unwrap(refresh.body).accessToken}` };
      const all = await send(`${url}${at}/logout-all`, { method: 'POST', headers });
      expect([all.status, unwrap(all.body).ended]).toEqual([200, expect.any(Number)]);
    });

    it('C06: a refusal keeps its headers and cleared cookies', async () => {
      const browser = new CookieJarClient(url);
      await browser.logIn('ada', login);
      await browser.sendOnly(`${at}/logout-all`, { method: 'POST' });
      const guarded = await browser.sendOnly(at);
      const refresh = await browser.send(`${at}/refresh`, { method: 'POST' });
      for (const { status, headers, setCookie } of [guarded, refresh]) {
        expect([status, setCookie.length]).toEqual([401, 3]);
        expect(headers.get('www-authenticate')).toContain('error="invalid_token"');
        expect(headers.get('cache-control')).toBe('no-store');
      }
      expect(browser.cookies).toEqual([]);
    });

    it('the public keys are where they were announced, as they are', async () => {
      const { status, headers, body } = await send(url + jwks);
      expect(status).toBe(200);
      expect(Object.keys(body)).toEqual(['keys']);
      expect(headers.get('content-type')).toMatch(/^application\/(jwk-set\+)?json/);
      expect(headers.get('cache-control')).toBe('public, max-age=300');
      if (jwks !== JWKS) expect((await send(url + JWKS)).status).toBe(404);
    });
  });

  it('a global guard guards what is not public, and nothing of ours twice', async () => {
    const { url } = await start(MOUNTINGS['a global guard']!);
    const login = await send(`${url}/login`, { method: 'POST', body: { userId: 'ada' } });
    expect(login.body.errorCode).toBe('session_missing');
    for (const [path, status] of [
      ['/session/refresh', 401],
      ['/session/logout', 204],
    ] as const) {
      const answer = await send(url + path, { method: 'POST', headers: { authorization: 'Bearer junk' } });
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.body.errorCode).not.toBe('access_token_invalid');
    }
  });

  it('a wildcard route, registered first, takes everything but the public keys', async () => {
    const { url } = await start({ controllers: [Wildcard] });
    expect((await send(`${url}/.well-known/other`)).body).toEqual({ wildcard: true });
    expect(Object.keys((await send(url + JWKS)).body)).toEqual(['keys']);
  });

  it('a filter that catches everything decides on the body alone', async () => {
    const { url } = await start(MOUNTINGS['a filter that catches everything']!);
    const { status, body } = await send(`${url}/me`);
    expect([status, body]).toEqual([
      401,
      { caught: true, cause: expect.objectContaining({ errorCode: 'session_missing' }) },
    ]);
  });

  it('nothing is mounted if the options say so', async () => {
    const { url } = await start({ session: { controller: false, jwks: false } });
    const browser = new CookieJarClient(url);
    await browser.logIn('ada');
    for (const path of ['/session', '/session/devices', JWKS]) expect((await browser.send(path)).status).toBe(404);
    for (const path of ['/session/refresh', '/session/logout']) expect((await browser.post(path)).status).toBe(404);
    expect((await browser.send('/me')).status).toBe(200);
  });

  it('a subclass takes the place of the default path', async () => {
    const { url } = await start({ session: { controller: false }, controllers: [Mine] });
    expect((await send(`${url}/session/logout`, { method: 'POST' })).status).toBe(404);
    expect((await send(`${url}/auth/logout`, { method: 'POST' })).status).toBe(204);
  });
});
