import { type CanActivate, type ExecutionContext, Injectable, Module, type Type } from '@nestjs/common';
import { generateKeyPairSync } from 'node:crypto';
import { APP_GUARD } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionGuard } from 'nestjs-jwt-session';
import { EMPTY, type Observable, of } from 'rxjs';
import { refusalOf } from '../support/application.js';
import { send } from '../support/client.js';
import { partsOf } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, type TestAppOptions } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { until } from '../support/until.js';

@Injectable()
class KnownCallers {
  readonly keys = ['service-key'];
}

@Injectable()
class CallersGuard implements CanActivate {
  constructor(private readonly callers: KnownCallers) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return this.callers.keys.includes(headers['x-service']!);
  }
}

/** A module whose providers the session module cannot see. */
@Module({ providers: [KnownCallers, CallersGuard] })
class CallersModule {}

class OpenGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}
class ObservableGuard implements CanActivate {
  canActivate(): Observable<boolean> {
    return of(true, false);
  }
}
class SilentGuard implements CanActivate {
  canActivate(): Observable<boolean> {
    return EMPTY;
  }
}
class LaterGuard implements CanActivate {
  canActivate(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

const generateKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const SERVICE = { 'x-service': 'service-key' };
const guardedBy = (guard: Type<CanActivate>): TestAppOptions => ({ session: { verify: { guard } } });

describe.each(PLATFORMS)('F17: introspection on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  const ask = (url: string, token: unknown, path = '/session/verify') =>
    send(url + path, { method: 'POST', headers: SERVICE, body: { token } });

  it('O02: is not there by default, and refuses whom the guard refuses', async () => {
    const closed = await apps.start();
    expect((await ask(closed.url, 'x')).status).toBe(404);
    const { url } = await apps.start({ imports: [CallersModule], ...guardedBy(CallersGuard) });
    expect((await send(`${url}/session/verify`, { method: 'POST', body: { token: 'x' } })).status).toBe(403);
    expect(await ask(url, 'x')).toMatchObject({ status: 200, body: { active: false } });
  });

  it('O02: a guard answers as anywhere in Nest: the last of an observable, and silence lets nobody in', async () => {
    for (const [guard, status] of [
      [LaterGuard, 200],
      [ObservableGuard, 403],
      [SilentGuard, 403],
    ] as const) {
      const { url } = await apps.start(guardedBy(guard));
      expect((await ask(url, 'x')).status).toBe(status);
    }
  });

  it('a live token is described, and custom claims override nothing; no statement is made', async () => {
    const test = await apps.start({
      imports: [CallersModule],
      providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
      session: {
        accessToken: { issuer: 'https://login.example', audience: 'api' },
        verify: { guard: CallersGuard, path: 'introspect' },
      },
      configure: app => app.setGlobalPrefix('api').enableVersioning(),
    });
    const claims = { role: 'admin', active: false, token_type: 'N_A' };
    const { accessToken } = await test.sessions.logIn('ada', { claims });
    const { iss, aud, sub, sid, jti, iat, exp, auth_time } = partsOf(accessToken!).payload;
    const told = { active: true, token_type: 'Bearer', role: 'admin', iss, aud, sub, sid, jti, iat, exp, auth_time };
    const answer = await ask(test.url, accessToken, '/api/introspect');
    expect([answer.status, answer.body]).toEqual([200, told]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const form = await fetch(`${test.url}/api/introspect`, {
      method: 'POST',
      headers: SERVICE,
      body: new URLSearchParams({ token: accessToken!, token_type_hint: 'access_token' }),
    });
    expect(await form.json()).toEqual(told);
    expect(await statementsDuring(test, () => ask(test.url, accessToken, '/api/introspect'))).toEqual([]);
  });

  it('O01: O02: every other token answers exactly active: false', async () => {
    const test = await apps.start(guardedBy(OpenGuard));
    const { sessions } = test;
    const tokenOf = async (userId: string) => sessions.logIn(userId);
    const [loggedOut, invalidated] = [await tokenOf('ada'), await tokenOf('grace')];
    await sessions.logOut(loggedOut.session.id);
    await sessions.invalidateTokens('grace', 'access');
    const { accessToken: foreign } = await (await startForeign()).sessions.logIn('ada');
    const tokens = [loggedOut.accessToken, invalidated.accessToken, invalidated.refreshToken, foreign, '', 'x'];
    const answers = await Promise.all([...tokens, 'x'.repeat(20_000)].map(token => ask(test.url, token)));
    const { accessToken: expired } = await tokenOf('ada');
    await test.advance('11m');
    answers.push(await ask(test.url, expired));
    const names = (headers: Headers) => [...headers.keys()].sort();
    for (const { status, body, headers } of answers) {
      expect([status, body]).toEqual([200, { active: false }]);
      expect(names(headers)).toEqual(names(answers[0]!.headers));
    }
  });

  it('S14: what ended elsewhere or by theft is dead here at once', async () => {
    const [test, elsewhere] = [await apps.start(guardedBy(OpenGuard)), await apps.start()];
    const [ended, stolen] = [await elsewhere.sessions.logIn('ada'), await elsewhere.sessions.logIn('grace')];
    expect((await ask(test.url, ended.accessToken)).body.active).toBe(true);
    await elsewhere.sessions.logOut(ended.session.id);
    for (let round = 0, token = stolen.refreshToken!; round < 3; round++) {
      token = (await elsewhere.sessions.refresh({ refreshToken: token })).refreshToken!;
      await apps.clock.advance('31s');
    }
    await expect(elsewhere.sessions.refresh({ refreshToken: stolen.refreshToken! })).rejects.toThrow('two parties');
    await test.advance('11s');
    for (const { accessToken } of [ended, stolen]) {
      await until(async () => (await ask(test.url, accessToken)).body.active === false);
      expect((await ask(test.url, accessToken)).body).toEqual({ active: false });
    }
  });

  it('says that it does not know, where the database is gone and memory too old', async () => {
    const proxy = await TcpProxy.to((await apps.start()).database.url);
    const test = await apps.start({ ...guardedBy(OpenGuard), typeorm: { url: proxy.url } });
    const { accessToken } = await test.sessions.logIn('ada');
    expect((await ask(test.url, accessToken)).body.active).toBe(true);
    await proxy.refuse();
    test.clock.advanceProcess('31s');
    const answer = await ask(test.url, accessToken);
    test.clock.advanceProcess('-31s');
    await proxy.restore();
    expect([answer.status, answer.body.errorCode]).toEqual([503, 'session_store_unavailable']);
    expect(answer.headers.get('retry-after')).toBe('1');
    await test.app.close();
    await proxy.close();
  });

  it('a request without one token is refused', async () => {
    const { url } = await apps.start({
      ...guardedBy(OpenGuard),
      session: { controller: false, verify: { guard: OpenGuard } },
    });
    for (const token of [undefined, null, 7, ['x'], { x: 1 }]) {
      expect(await ask(url, token)).toMatchObject({ status: 400, body: { errorCode: 'invalid_request' } });
    }
  });

  it('an option that cannot work is refused at start', async () => {
    for (const verify of [true, {}, { guard: 'x' }, { guard: OpenGuard, path: '' }, { guard: OpenGuard, open: true }]) {
      const start = async () => apps.start({ session: { verify: verify as { guard: Type<CanActivate> } } });
      expect(await refusalOf(start())).toContain('option "verify"');
    }
    // No module provides what it injects.
    const start = apps.start({ ...guardedBy(CallersGuard), typeorm: { extra: { allowExitOnIdle: true } } });
    expect(await refusalOf(start)).toMatch(/option "verify": CallersGuard.*providers/);
  });

  const startForeign = () => apps.start({ session: { keys: { signingKey: generateKey() } } });
});
