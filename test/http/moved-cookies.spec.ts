import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { Controller, type INestApplication, VersioningType } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionController } from 'nestjs-jwt-session';
import type { Answer, AnswerBody, SendOptions } from '../support/client.js';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { PLATFORMS, type TestAppOptions } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const HOST = 'www.app.example';

/** A browser at that host, whose requests go to the server of the present deployment. */
class Browser extends CookieJarClient {
  base = '';

  constructor(private readonly api: () => Deployment) {
    super('');
  }

  override async sendOnly(path: string, { method = 'GET', body }: SendOptions = {}): Promise<Answer> {
    const json = body === undefined ? '' : JSON.stringify(body);
    const headers = {
      host: HOST,
      cookie: this.cookieHeader(path),
      ...(json && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) }),
    };
    const sent = request(this.base + path, { method, headers });
    sent.end(json);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const read = await text(answer);
    return {
      status: answer.statusCode!,
      headers: new Headers(),
      setCookie: answer.headers['set-cookie'] ?? [],
      body: (read.startsWith('{') ? JSON.parse(read) : {}) as AnswerBody,
    };
  }

  visit = (path = '/me') => this.send((this.api().prefix ?? '') + path);
  enter = () => this.logIn('ada', `${this.api().prefix ?? ''}/login`);
  refresh = () => this.post(`${this.api().at}/refresh`);
  leave = () => this.post(`${this.api().at}/logout`);

  /** The refresh cookies that it keeps, as `domain path`. */
  get refreshCookies(): string[] {
    return this.cookies
      .filter(({ name }) => name.endsWith('refresh_token'))
      .map(({ attributes }) => `${String(attributes.Domain ?? '')} ${String(attributes.Path)}`.trim());
  }
}

interface Deployment extends TestAppOptions {
  /** Where the controller is. */
  readonly at: string;
  /** Before the application's own routes. */
  readonly prefix?: string;
}

@Controller({ path: 'session', version: '2' })
class Versioned extends SessionController {}

const secure = (domain?: string) => ({ session: { cookies: { domain } } });
const plain = (domain?: string) => ({ session: { cookies: { secure: false, domain } } });
const prefixed = (prefix: string) => ({
  configure: (app: INestApplication) => app.setGlobalPrefix(prefix, { exclude: ['session/{*rest}'] }),
});

const atSession: Deployment = { at: '/session' };
const atRoot: Deployment = { at: '/session', session: { cookies: { refreshPath: '/' } } };

/** Moves after which the browser still sends the former cookie to the route. */
const KEPT: Record<string, [from: Deployment, to: Deployment]> = {
  'cookies.refreshPath is set': [atSession, atRoot],
  'cookies.refreshPath is taken away': [atRoot, atSession],
  'cookies.refreshPath is the route itself': [
    atSession,
    { at: '/session', session: { cookies: { refreshPath: '/session/refresh' } } },
  ],
  'a global prefix is set, with a path that covered it': [
    { at: '/api/session', session: { cookies: { refreshPath: '/api' }, controller: { path: 'api/session' } } },
    { at: '/api/session', prefix: '/api', configure: app => app.setGlobalPrefix('api') },
  ],
  'a global prefix is taken away from other routes': [{ ...atSession, prefix: '/api', ...prefixed('api') }, atSession],
  'the application mounts a controller of its own': [
    atSession,
    {
      at: '/session',
      session: { controller: false },
      controllers: [class extends SessionController {}].map(type => (Controller('session')(type), type)),
    },
  ],
  'a domain is set without Secure': [
    { ...atSession, ...plain() },
    { ...atSession, ...plain('app.example') },
  ],
  'a domain is taken away without Secure': [
    { ...atSession, ...plain('app.example') },
    { ...atSession, ...plain() },
  ],
  'a domain is set': [
    { ...atSession, ...secure() },
    { ...atSession, ...secure('app.example') },
  ],
  'a domain is changed': [
    { ...atSession, ...secure('www.app.example') },
    { ...atSession, ...secure('app.example') },
  ],
  'a domain and the path are changed': [
    { at: '/session', session: { cookies: { domain: 'www.app.example', refreshPath: '/' } } },
    { ...atSession, ...secure('app.example') },
  ],
};

/** Moves after which it does not, or no longer proves that the cookie is its own. */
const LOST: Record<string, [from: Deployment, to: Deployment]> = {
  'a global prefix is set': [
    atSession,
    { at: '/api/session', prefix: '/api', configure: app => app.setGlobalPrefix('api') },
  ],
  'a global prefix is taken away': [
    { at: '/api/session', prefix: '/api', configure: app => app.setGlobalPrefix('api') },
    atSession,
  ],
  'the controller moves': [atSession, { at: '/auth', session: { controller: { path: 'auth' } } }],
  'the controller gets a version in its URL': [
    atSession,
    {
      at: '/v2/session',
      session: { controller: false, cookies: { refreshPath: '/v2/session' } },
      controllers: [Versioned],
      configure: app => app.enableVersioning({ type: VersioningType.URI }),
    },
  ],
  'the controller moves beneath a path that the cookie does not have': [
    { at: '/session', session: { cookies: { refreshPath: '/session/refresh' } } },
    { at: '/session/v2', session: { controller: { path: 'session/v2' } } },
  ],
  'a domain is taken away': [
    { ...atSession, ...secure('app.example') },
    { ...atSession, ...secure() },
  ],
};

const at = (path: string, refreshPath?: string): Deployment => ({
  at: `/${path}`,
  session: { controller: { path }, cookies: { refreshPath } },
});

/**
 * Moves of the controller beneath the former cookie's path. After the way back the browser no longer sends the cookie of
 * the deeper path, so the former one must not be left: it would look like a copy.
 */
const DEEPER: Record<string, [from: Deployment, to: Deployment]> = {
  'beneath its former path': [at('session'), at('session/v2')],
  'two segments deeper': [at('api'), at('api/v2/session')],
  'beneath a path that covered all': [at('session', '/'), at('auth')],
};

const underPrefix = (refreshPath?: string): Deployment => ({
  at: '/api/session',
  prefix: '/api',
  session: { cookies: { refreshPath } },
  configure: app => app.setGlobalPrefix('api'),
});

const onDomain = (deployment: Deployment): Deployment => ({
  ...deployment,
  session: { ...deployment.session, cookies: { ...deployment.session?.cookies, domain: 'app.example' } },
});

/** Moves by way of a path that covers the former and the new one. */
const BY_STEPS: Record<string, Deployment[]> = {
  'a global prefix is set': [at('session'), at('session', '/'), underPrefix('/'), underPrefix()],
  'a global prefix is taken away': [underPrefix(), underPrefix('/'), at('session', '/'), at('session')],
  'the controller moves': [at('session'), at('session', '/'), at('auth', '/'), at('auth')],
};

describe.each(PLATFORMS)('C07: a deployment moves the cookies, on %s', platform => {
  let apps: TestApps;
  let deployment: Deployment;
  const browser = new Browser(() => deployment);
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  const deploy = async (next: Deployment) => {
    await apps.stop();
    deployment = next;
    const { at: _at, prefix: _prefix, ...options } = next;
    const test = await apps.start(options);
    browser.base = test.url;
    return test;
  };

  /** Hours of use as the client of the package does it: a refused request is repeated after a refresh. */
  const use = async (hours: number) => {
    for (let hour = 0; hour < hours; hour++) {
      await apps.clock.advance('11m');
      let refreshes = 0;
      while ((await browser.visit()).status !== 200) {
        const refresh = await browser.refresh();
        expect([hour, refresh.status, refresh.body.errorCode]).toEqual([hour, 200, undefined]);
        expect(++refreshes).toBeLessThan(3);
      }
    }
  };

  const logInAnew = async () => {
    browser.cookies = [];
    expect((await browser.enter()).status).toBe(200);
    return (await browser.visit()).body.sessionId!;
  };

  describe.each(Object.entries(KEPT))('%s', (_, [from, to]) => {
    it('the browser keeps its session, and no former cookie', async () => {
      await deploy(from);
      const sessionId = await logInAnew();
      await use(2);
      const test = await deploy(to);
      await use(3);
      expect((await browser.visit()).body.sessionId).toBe(sessionId);
      expect(browser.refreshCookies).toHaveLength(1);
      expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
      expect((await browser.leave()).status).toBe(204);
      expect(browser.refreshCookies).toEqual([]);
    });

    it('and back again: at most one login, and no theft', async () => {
      await deploy(from);
      const sessionId = await logInAnew();
      await deploy(to);
      await use(1);
      const back = await deploy(from);
      if (to.session?.cookies?.domain === undefined || from.session?.cookies?.secure === false) {
        await use(3);
        expect((await browser.visit()).body.sessionId).toBe(sessionId);
        expect(browser.refreshCookies).toHaveLength(1);
      } else {
        await apps.clock.advance('11m');
        if ((await browser.refresh()).status !== 200) expect((await browser.enter()).status).toBe(200);
        await use(2);
      }
      expect(back.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    });

    it('a login beside former cookies is in force', async () => {
      await deploy(from);
      const former = await logInAnew();
      await deploy(to);
      expect((await browser.enter()).status).toBe(200);
      await use(3);
      expect((await browser.visit()).body.sessionId).not.toBe(former);
    });
  });

  describe.each(Object.entries(DEEPER))('the controller moves %s', (_, [from, to]) => {
    it('the browser keeps its session, and the first refresh expires the former cookie', async () => {
      await deploy(from);
      const sessionId = await logInAnew();
      await use(2);
      const test = await deploy(to);
      await use(1);
      expect(browser.refreshCookies).toEqual([to.at]);
      await use(3);
      expect((await browser.visit()).body.sessionId).toBe(sessionId);
      expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    });

    it('a log-out before any refresh expires the former cookie', async () => {
      await deploy(from);
      await logInAnew();
      await deploy(to);
      expect((await browser.leave()).status).toBe(204);
      expect(browser.refreshCookies).toEqual([]);
    });

    it.each([0, 1, 2])('and back after %i refreshes: at most one login, and no theft', async refreshes => {
      await deploy(from);
      await logInAnew();
      await deploy(to);
      await use(refreshes);
      const back = await deploy(from);
      await apps.clock.advance('11m');
      const refresh = await browser.refresh();
      expect([refresh.status, refresh.body.errorCode]).toEqual(
        refreshes === 0 ? [200, undefined] : [401, 'session_missing'],
      );
      expect((await browser.enter()).status).toBe(200);
      await use(2);
      const again = await deploy(to);
      await use(2);
      expect(browser.refreshCookies).toEqual([to.at]);
      for (const { events } of [back, again]) expect(events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    });
  });

  it.each(Object.entries(BY_STEPS))('%s by way of the path /: no login, and back again', async (_, steps) => {
    for (const all of [steps, steps.map(onDomain)]) {
      await deploy(all[0]!);
      const sessionId = await logInAnew();
      for (const step of [...all.slice(1), ...all.toReversed().slice(1)]) {
        const test = await deploy(step);
        await use(2);
        expect((await browser.visit()).body.sessionId).toBe(sessionId);
        expect(browser.refreshCookies).toHaveLength(1);
        expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
      }
    }
  });

  describe.each(Object.entries(LOST))('%s', (_, [from, to]) => {
    it('the browser logs in anew, once, and no theft is reported', async () => {
      await deploy(from);
      const former = await logInAnew();
      const test = await deploy(to);
      await apps.clock.advance('11m');
      expect((await browser.refresh()).status).toBe(401);
      expect((await browser.enter()).status).toBe(200);
      await use(3);
      const { sessionId } = (await browser.visit()).body;
      expect(sessionId).not.toBe(former);
      const back = await deploy(from);
      expect((await browser.enter()).status).toBe(200);
      await use(3);
      for (const { events } of [test, back]) expect(events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    });
  });
});
