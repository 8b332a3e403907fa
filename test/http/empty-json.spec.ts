import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { Body, type CanActivate, Controller, HttpCode, Injectable, Post } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionController } from 'nestjs-jwt-session';
import request from 'supertest';
import { AccountApp } from '../accounts/account-app.js';
import { type AnswerBody, CookieClient, REFRESH_COOKIE } from '../support/client.js';
import type { Issued } from '../support/raw-cookies.js';
import { PLATFORMS } from '../support/test-app.js';

@Injectable()
class OpenGuard implements CanActivate {
  canActivate() {
    return true;
  }
}

@Controller('mine')
class Mine extends SessionController {}

@Controller()
class Own {
  @Post('own')
  @HttpCode(200)
  own(@Body() body: unknown) {
    return { body: typeof body };
  }
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** What each route answers where the request needs a session and has one. */
const ROUTES: [method: 'post' | 'delete', path: string, status: number, errorCode: string | undefined][] = [
  ['post', '/session/refresh', 200, undefined],
  ['post', '/session/logout-others', 200, undefined],
  ['delete', '/session/devices/none', 404, 'session_not_found'],
  ['post', '/session/verify', 400, 'invalid_request'],
  ['post', '/session/logout', 204, undefined],
  ['post', '/session/logout-all', 200, undefined],
  ['post', '/mine/refresh', 200, undefined],
  ['post', '/mine/logout', 204, undefined],
  ...(
    [
      'register',
      'verify-email',
      'send-verification',
      'login',
      'reauthenticate',
      'password',
      'forgot-password',
      'reset-password',
      'email',
      'confirm-email',
      'undo-email-change',
      'end-session',
    ] as const
  ).map((name): ['post', string, number, string] => ['post', `/account/${name}`, 400, 'invalid_input']),
  ['delete', '/account', 400, 'invalid_input'],
];

describe.each(PLATFORMS)('a request without a body that says it has JSON, on %s', platform => {
  let app: AccountApp;
  let id: string;
  beforeAll(async () => {
    app = await AccountApp.start({
      platform,
      session: { verify: { guard: OpenGuard } },
      controllers: [Mine, Own],
    });
    id = await app.member('ada@example.com');
  });
  afterAll(() => app?.close());

  const server = () => request(app.test.app.getHttpServer());
  const ask = (method: 'post' | 'delete', path: string) =>
    method === 'post' ? server().post(path) : server().delete(path);
  const logIn = () => app.loggedIn('ada@example.com');
  const cookieOf = (client: CookieClient) => [...client.jar].map(pair => pair.join('=')).join('; ');

  it.each(ROUTES)('%s %s answers %i', async (method, path, status, errorCode) => {
    const cookie = cookieOf(await logIn());
    const answer = await ask(method, path).set({ ...JSON_TYPE, cookie });
    expect([answer.status, (answer.body as AnswerBody).errorCode]).toEqual([status, errorCode]);
  });

  it('S08: a log-out ends the session', async () => {
    const client = await logIn();
    const copy = client.copy();
    const answer = await client.send('/session/logout', { method: 'POST', headers: JSON_TYPE });
    expect(answer.status).toBe(204);
    expect(client.jar.has(REFRESH_COOKIE)).toBe(false);
    expect((await copy.send('/me')).body.errorCode).toBe('session_revoked');
  });

  /** Sends a request with the given bytes, in order, and returns what the server writes. */
  const write = async (path: string, headers: string[], ...parts: string[]) => {
    const { hostname, port, host } = new URL(app.test.url);
    const socket = connect(Number(port), hostname);
    const answer = text(socket);
    const head = [`POST ${path} HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json', ...headers];
    socket.write([...head, 'Connection: close', '', ''].join('\r\n'));
    for (const part of parts) {
      await setImmediate();
      socket.write(part);
    }
    return answer;
  };
  const CHUNKED = 'Transfer-Encoding: chunked';
  const chunk = (data: string) => `${data.length.toString(16)}\r\n${data}\r\n`;

  it.each([
    ['has no Content-Length', [], []],
    ['is chunked', [CHUNKED], [chunk('')]],
    ['is chunked, with other spellings', ['content-type: Application/JSON; charset=utf-8', CHUNKED], [chunk('')]],
  ])('S08: so does one whose request %s', async (_, headers, parts) => {
    const client = await logIn();
    expect(await write('/session/logout', [`Cookie: ${cookieOf(client)}`, ...headers], ...parts)).toMatch(
      /^HTTP\/1\.1 204 /,
    );
    expect((await client.send('/me')).body.errorCode).toBe('session_revoked');
  });

  it('a chunked body that is there is read, and no larger than others', async () => {
    const { refreshToken, session } = (await app.test.sessions.logIn(id)) as Issued;
    const body = JSON.stringify({ refreshToken });
    const parts = [chunk(body.slice(0, 9)), chunk(body.slice(9)), chunk('')];
    expect(await write('/session/logout', [CHUNKED], ...parts)).toMatch(/^HTTP\/1\.1 204 /);
    expect(await app.test.sessions.get(session.id)).toBeNull();
    expect(await write('/session/logout', [CHUNKED], chunk('{'), chunk(''))).toMatch(/^HTTP\/1\.1 400 /);
    const large = Array.from({ length: 3 }, () => chunk(' '.repeat(500_000)));
    expect(await write('/session/logout', [CHUNKED], ...large, chunk(''))).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("the application's own routes refuse an empty chunked body as before", async () => {
    const answer = await write('/own', [CHUNKED], chunk(''));
    expect(answer).toMatch(platform === 'fastify' ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 200 /);
  });

  it('a body that is there is read', async () => {
    const { refreshToken, session } = (await app.test.sessions.logIn(id)) as Issued;
    expect((await server().post('/session/logout').send({ refreshToken })).status).toBe(204);
    expect(await app.test.sessions.get(session.id)).toBeNull();
    const broken = await server().post('/session/logout').set(JSON_TYPE).send('{');
    expect(broken.status).toBe(400);
  });

  it("the application's own routes are left alone", async () => {
    const answer = await server().post('/own').set(JSON_TYPE);
    expect(answer.status).toBe(platform === 'fastify' ? 400 : 200);
    expect((await server().post('/own').send({})).body).toEqual({ body: 'object' });
  });
});
