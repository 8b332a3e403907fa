import { Controller, Module, RequestMethod, VersioningType } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionController } from 'nestjs-jwt-session';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { PLATFORMS, type TestAppOptions } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Controller('auth')
class Mine extends SessionController {}

@Controller({ path: 'auth', version: '2' })
class MineVersioned extends SessionController {}

@Controller(['auth', 'account'])
class MineTwice extends SessionController {}

@Module({ controllers: [Mine] })
class MineModule {}

interface Place extends TestAppOptions {
  readonly login?: string;
  /** Where the controller is. */
  readonly at: string;
  /** The cookie's path; left out where only that it reaches the controller is promised. */
  readonly path?: string;
}

const OWN = { session: { controller: false } } as const;

const PLACES: Record<string, Place> = {
  'the default path': { at: '/session', path: '/session' },
  'a path of its own': { session: { controller: { path: '/auth/' } }, at: '/auth', path: '/auth' },
  'a global prefix': {
    configure: app => app.setGlobalPrefix('/api/'),
    login: '/api/login',
    at: '/api/session',
    path: '/api/session',
  },
  'a global prefix and a path of its own': {
    session: { controller: { path: 'auth/session' } },
    configure: app => app.setGlobalPrefix('api'),
    login: '/api/login',
    at: '/api/auth/session',
    path: '/api/auth/session',
  },
  'a global prefix that leaves it out': {
    configure: app => app.setGlobalPrefix('api', { exclude: ['session', 'session/{*rest}'] }),
    login: '/api/login',
    at: '/session',
    path: '/session',
  },
  'a global prefix that leaves out other methods only': {
    configure: app => app.setGlobalPrefix('api', { exclude: [{ path: 'session/{*rest}', method: RequestMethod.GET }] }),
    login: '/api/login',
    at: '/api/session',
    path: '/api/session',
  },
  'a global prefix with a parameter': {
    configure: app => app.setGlobalPrefix('api/:tenant'),
    login: '/api/one/login',
    at: '/api/one/session',
  },
  'a subclass': { ...OWN, controllers: [Mine], at: '/auth', path: '/auth' },
  'a subclass under a global prefix': {
    ...OWN,
    controllers: [Mine],
    configure: app => app.setGlobalPrefix('api'),
    login: '/api/login',
    at: '/api/auth',
    path: '/api/auth',
  },
  'a subclass with two paths': { ...OWN, controllers: [MineTwice], at: '/account', path: '/' },
  'a subclass beneath RouterModule': {
    ...OWN,
    imports: [MineModule, RouterModule.register([{ path: 'inner', module: MineModule }])],
    at: '/inner/auth',
  },
  'URI versioning with a default version': {
    configure: app => app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    login: '/api/v1/login',
    at: '/api/session',
    path: '/api/session',
  },
  'a subclass under the default version': {
    ...OWN,
    controllers: [Mine],
    configure: app => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    login: '/v1/login',
    at: '/v1/auth',
  },
  'a subclass with a version': {
    ...OWN,
    controllers: [MineVersioned],
    configure: app => app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI }),
    login: '/api/login',
    at: '/api/v2/auth',
  },
};

describe.each(PLATFORMS)('F8: the path of the refresh cookie on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  it.each(Object.entries(PLACES))('reaches the controller at %s', async (_, { login, at, path, ...options }) => {
    const { url } = await apps.start(options);
    const browser = new CookieJarClient(url);
    expect((await browser.logIn('ada', login)).status).toBe(200);
    const [, refresh, marker] = browser.cookies;
    if (path !== undefined) expect(refresh!.attributes.Path).toBe(path);
    // Without the access cookie, so that the refresh cookie must have come: by the jar's rules it goes below its path
    // only.
    browser.cookies = [refresh!, marker!];
    expect((await browser.post(`${at}/refresh`)).status).toBe(200);
    browser.cookies = browser.cookies.slice(0, 2);
    expect((await browser.post(`${at}/logout`)).status).toBe(204);
    expect(browser.cookies).toEqual([]);
    expect((await browser.sendOnly(`${at}/refresh`, { method: 'POST' })).body.errorCode).toBe('session_missing');
  });

  it('stays away from the other routes', async () => {
    const { url } = await apps.start();
    const browser = new CookieJarClient(url);
    await browser.logIn('ada');
    expect(browser.cookieHeader('/me')).not.toContain('refresh_token');
    expect(browser.cookieHeader('/session/refresh')).toContain('refresh_token');
  });

  it('is / where the application mounts routes of its own', async () => {
    const { url } = await apps.start(OWN);
    const browser = new CookieJarClient(url);
    await browser.logIn('ada');
    expect(browser.cookies.map(({ attributes }) => attributes.Path)).toEqual(['/', '/', '/']);
  });
});
