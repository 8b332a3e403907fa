import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AnswerBody, CookieClient, send } from '../support/client.js';
import type { Issued } from '../support/raw-cookies.js';
import request from 'supertest';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

describe.each(PLATFORMS)('mistakes of clients on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({ trustProxy: true });
  });
  afterAll(() => apps?.close());

  const post = (path: string, headers: Record<string, string>, body?: unknown, { url } = test) =>
    send(`${url}${path}`, { method: 'POST', headers, body });
  const issue = async () => (await test.sessions.logIn('ada')) as Issued;

  describe('an unknown Session-Transport', () => {
    it.each(['Bearer', 'cookies', 'header', ''])('"%s" is refused, and says which there are', async value => {
      const answer = await post('/login', { 'session-transport': value }, { userId: 'ada' });
      expect([answer.status, answer.body.errorCode, answer.setCookie]).toEqual([400, 'invalid_request', []]);
      expect(answer.body.message).toContain('Session-Transport has an unknown value: write bearer or cookie');
    });
  });

  describe('a refresh token that came under another name', () => {
    it.each(['refresh_token', 'token', 'refresh'])('"%s" in the body is named, and nothing changes', async name => {
      const { refreshToken, session } = await issue();
      for (const path of ['/session/refresh', '/session/logout']) {
        const answer = await post(path, {}, { [name]: refreshToken });
        expect([path, answer.status, answer.body.errorCode]).toEqual([path, 400, 'invalid_request']);
        expect(answer.body.message).toContain(`came as "${name}": send it as "refreshToken"`);
        expect(answer.body.message).not.toContain(refreshToken);
      }
      expect(await test.sessions.get(session.id)).not.toBeNull();
    });

    it('in Authorization is named', async () => {
      const { refreshToken, session } = await issue();
      for (const path of ['/session/refresh', '/session/logout']) {
        const answer = await post(path, { authorization: `Bearer ${refreshToken}` });
        expect([path, answer.status, answer.body.errorCode]).toEqual([path, 400, 'invalid_request']);
        expect(answer.body.message).toContain('came as Authorization: send it as "refreshToken" in the body');
      }
      expect(await test.sessions.get(session.id)).not.toBeNull();
    });

    it('anything else under that name is no refresh token', async () => {
      for (const refresh_token of ['junk', 5, null]) {
        expect((await post('/session/refresh', {}, { refresh_token })).body.errorCode).toBe('session_missing');
        expect((await post('/session/logout', {}, { refresh_token })).status).toBe(204);
      }
    });

    it('with transport "cookie" the body has no name for it', async () => {
      const cookiesOnly = await apps.start({ session: { transport: 'cookie' } });
      const body = { refresh_token: (await issue()).refreshToken };
      expect((await post('/session/refresh', {}, body, cookiesOnly)).body.errorCode).toBe('session_missing');
    });
  });

  describe('a login over http whose browser keeps no Secure cookies', () => {
    const at = async (host: string, headers: Record<string, string> = {}, { app } = test) => {
      const page = { host, origin: `http://${host}`, ...headers };
      const answer = await request(app.getHttpServer()).post('/login').set(page).send({ userId: 'ada' });
      return { status: answer.status, body: answer.body as AnswerBody, setCookie: answer.get('Set-Cookie') ?? [] };
    };

    it.each(['192.168.178.20:3000', 'app.test', 'notlocalhost:3000', 'localhost.example'])(
      '%s is refused with the ways out',
      async host => {
        const answer = await at(host);
        expect([answer.status, answer.body.errorCode, answer.setCookie]).toEqual([400, 'invalid_request', []]);
        expect(answer.body.message).toMatch(
          /opened over http.*open it over https or as http:\/\/localhost.*secure: false/,
        );
      },
    );

    it.each(['localhost:3000', 'app.localhost', '127.0.0.1:3000', '[::1]:3000'])('%s is this machine', async host => {
      expect((await at(host)).status).toBe(200);
    });

    it('https behind a proxy, bearer tokens and cookies without Secure have nothing to lose', async () => {
      expect((await at('app.test', { 'x-forwarded-proto': 'https' })).status).toBe(200);
      const plain = await apps.start({ session: { cookies: { secure: false } } });
      expect((await at('app.test', {}, plain)).status).toBe(200);
      const bearer = await apps.start({ session: { transport: 'bearer' } });
      expect((await at('app.test', {}, bearer)).status).toBe(200);
    });
  });

  it('DELETE /session/devices/:id of no session of the user has a code', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const { session } = (await test.sessions.logIn('grace')) as Issued;
    for (const id of ['none', session.id, '0190b5f2-7c3a-7000-8000-000000000000']) {
      const answer = await client.send(`/session/devices/${id}`, { method: 'DELETE' });
      expect([answer.status, answer.body.errorCode]).toEqual([404, 'session_not_found']);
    }
  });
});
