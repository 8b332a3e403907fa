import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerClient } from '../support/bearer-client.js';
import { ACCESS_COOKIE, CookieClient, REFRESH_COOKIE, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const POST = { method: 'POST' };
const refused = (errorCode: string) => ({ status: 401, body: { errorCode } });

describe.each(PLATFORMS)('refreshing on %s', platform => {
  let test: TestApp;
  let client: CookieClient;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  async function logIn(userId = 'ada'): Promise<CookieClient> {
    client = new CookieClient(test.url);
    await client.logIn(userId, { role: 'admin' });
    return client;
  }

  it('R01: a refresh rotates both tokens, again after each window', async () => {
    await logIn();
    const tokens = [client.refreshToken];
    const accessTokens = [client.accessToken];
    for (let round = 0; round < 3; round++) {
      expect(await client.refresh()).toMatchObject({ status: 200, body: { expiresIn: 600 } });
      tokens.push(client.refreshToken);
      accessTokens.push(client.accessToken);
      await test.advance('31s');
    }
    expect(new Set(tokens).size).toBe(4);
    expect(new Set(accessTokens).size).toBe(4);
    expect(await client.send('/me')).toMatchObject({ body: { userId: 'ada', claims: { role: 'admin' } } });
  });

  it('R01: within the window the token stays, and its cookie is not set again', async () => {
    await logIn();
    await client.refresh();
    const before = client.refreshToken;
    const answer = await client.refresh();
    expect(answer.setCookie.map(cookie => cookie.split('=', 1)[0])).toEqual([ACCESS_COOKIE]);
    expect(client.refreshToken).toBe(before);
  });

  it.each(['0s', '31s', '1h', '10d'])('R03: a lost response is made good %s later', async delay => {
    await logIn();
    for (let generation = 0; generation < 2; generation++) {
      const before = client.refreshToken;
      expect(await client.sendOnly('/session/refresh', POST)).toMatchObject({ status: 200 });
      await test.advance(delay === '0s' ? '1ms' : delay);
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(client.refreshToken).not.toBe(before);
      expect(await client.send('/me')).toMatchObject({ status: 200 });
      await test.confirmUses();
      await test.advance('31s');
    }
    expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
  });

  it('R03: the response may be lost again and again', async () => {
    await logIn();
    for (let round = 0; round < 5; round++) {
      expect(await client.sendOnly('/session/refresh', POST)).toMatchObject({ status: 200 });
      await test.advance(round % 2 === 0 ? '20s' : '1h');
    }
    expect(await client.refresh()).toMatchObject({ status: 200 });
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it.each(['refresh', 'use'])(
    'R03: the window begins anew when a token is seen to have arrived, by its %s',
    async by => {
      await logIn();
      const before = client.copy();
      await client.refresh();
      await test.advance('20s');
      await (by === 'refresh' ? client.refresh() : client.send('/me'));
      await test.confirmUses();
      await test.advance('20s');
      expect(await before.refresh()).toMatchObject({ status: 200 });
      expect(before.refreshToken).toBe(client.refreshToken);
    },
  );

  it('R06, scenario 27: an access token refreshes nothing, a refresh token opens nothing', async () => {
    await logIn();
    const swapped = new CookieClient(test.url);
    swapped.jar.set(REFRESH_COOKIE, client.accessToken).set(ACCESS_COOKIE, client.refreshToken);
    expect(await swapped.sendOnly('/me')).toMatchObject(refused('access_token_invalid'));
    expect(await swapped.sendOnly('/session/refresh', POST)).toMatchObject(refused('refresh_token_invalid'));

    const bearer = new BearerClient(test.url);
    await bearer.logIn('ada');
    const swappedBearer = bearer.copy();
    [swappedBearer.accessToken, swappedBearer.refreshToken] = [bearer.refreshToken, bearer.accessToken];
    expect(await swappedBearer.send('/me')).toMatchObject(refused('access_token_invalid'));
    expect(await swappedBearer.refresh()).toMatchObject(refused('refresh_token_invalid'));
    // Nothing was revoked by it.
    expect(await client.refresh()).toMatchObject({ status: 200 });
    expect(await bearer.refresh()).toMatchObject({ status: 200 });
  });

  it('scenario 17: missing token, garbage, wrong method', async () => {
    const url = `${test.url}/session/refresh`;
    expect(await send(url, POST)).toMatchObject(refused('session_missing'));
    for (const refreshToken of ['garbage', '', 7, {}, ['a'], true]) {
      expect(await send(url, { ...POST, body: { refreshToken } })).toMatchObject(refused('refresh_token_invalid'));
    }
    const cookie = await send(url, { ...POST, headers: { cookie: `${REFRESH_COOKIE}=garbage` } });
    expect(cookie).toMatchObject(refused('refresh_token_invalid'));
    // The cookie that was refused is cleared; where none came there is nothing to clear.
    expect(cookie.setCookie).toHaveLength(3);
    expect((await send(url, { ...POST, body: { refreshToken: 'garbage' } })).setCookie).toEqual([]);
    expect(await send(url)).toMatchObject({ status: 404 });
  });

  it('scenario 17: a client cannot inject fields of the session', async () => {
    await logIn();
    const { sessionId } = (await client.send('/me')).body;
    const body = { userId: 'grace', label: 'x', ip: '203.0.113.9', userAgent: 'x', claims: { role: 'root' } };
    const injected = { ...body, id: sessionId, sessionId, session: body, exchange: body };
    expect(await client.send('/session/refresh', { ...POST, body: injected })).toMatchObject({ status: 200 });

    const [device] = (await test.sessions.list('ada')).filter(({ id }) => id === sessionId);
    expect(device).toMatchObject({ label: 'node', userAgent: 'node', ip: '127.0.0.1' });
    expect(device!.userAgent).not.toBe('x');
    expect(await client.send('/me')).toMatchObject({ body: { userId: 'ada', claims: { role: 'admin' } } });
  });

  describe('with bearer transport', () => {
    it('R01, R02, scenario 17: tokens travel in bodies, and no cookie is set', async () => {
      const bearer = new BearerClient(test.url);
      const login = await bearer.logIn('ada');
      expect(login).toMatchObject({ status: 200, setCookie: [], body: { expiresIn: 600, tokenType: 'Bearer' } });
      expect(login.headers.get('cache-control')).toBe('no-store');
      const first = bearer.copy();

      const answer = await bearer.refresh();
      expect(answer).toMatchObject({ status: 200, setCookie: [], body: { expiresIn: 600, tokenType: 'Bearer' } });
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(bearer.refreshToken).not.toBe(first.refreshToken);
      expect(await bearer.send('/me')).toMatchObject({ status: 200, body: { userId: 'ada' } });

      // Known to have arrived: it is not sent again, because a late answer would roll a client back that stores each
      // one.
      const unchanged = await bearer.refresh();
      expect(unchanged).toMatchObject({ status: 200, body: { accessToken: expect.any(String), tokenType: 'Bearer' } });
      expect(unchanged.body).not.toHaveProperty('refreshToken');

      await test.confirmUses();
      await test.advance('31s');
      const theft = { status: 401, setCookie: [], body: { errorCode: 'token_theft_detected', class: 'recent' } };
      expect(await first.refresh()).toMatchObject(theft);
      expect(await bearer.refresh()).toMatchObject(theft);
      expect(await bearer.send('/me')).toMatchObject(theft);
    });

    it('scenario 17: the cookie beats the body', async () => {
      const ada = await logIn('ada');
      const grace = new BearerClient(test.url);
      await grace.logIn('grace');
      const answer = await ada.send('/session/refresh', { ...POST, body: { refreshToken: grace.refreshToken } });
      expect(answer).toMatchObject({ status: 200, body: { expiresIn: 600 } });
      expect(answer.body).not.toHaveProperty('refreshToken');
      expect(await ada.send('/me')).toMatchObject({ body: { userId: 'ada' } });
    });
  });
});
