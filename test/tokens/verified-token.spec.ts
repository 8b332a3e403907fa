import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  SessionRevokedError,
  type UserSession,
} from 'nestjs-jwt-session';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AccessTokenVerifier } from '../../lib/tokens/access-token-verifier.js';
import { VerifiedTokenCache } from '../../lib/tokens/verified-token-cache.js';
import { CookieClient } from '../support/client.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

describe('a verified access token', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const logIn = () => test.sessions.logIn('ada', { transport: 'bearer', claims: { role: 'user', tags: [{ a: 1 }] } });

  it('F12: has its signature checked once per process, and costs no query', async () => {
    const checks = jest.spyOn(AccessTokenVerifier.prototype, 'verify');
    const { accessToken } = await logIn();
    const taken = await statementsDuring(test, async () => {
      for (let use = 0; use < 5; use++) await test.sessions.verify(accessToken!);
    });
    expect(checks).toHaveBeenCalledTimes(1);
    expect(taken).toEqual([]);
  });

  it('J03: has its expiry checked each time', async () => {
    const { accessToken } = await logIn();
    await test.sessions.verify(accessToken!);
    await test.clock.advance('10m');
    await expect(test.sessions.verify(accessToken!)).rejects.toThrow(AccessTokenExpiredError);
    await expect(test.sessions.verify(accessToken!)).rejects.toThrow(AccessTokenExpiredError);
  });

  it('S14: has revocation checked each time', async () => {
    const { accessToken, session } = await logIn();
    const other = await logIn();
    await test.sessions.verify(accessToken!);
    await test.sessions.logOut(session.id);
    await expect(test.sessions.verify(accessToken!)).rejects.toThrow(SessionRevokedError);
    await expect(test.sessions.verify(other.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
  });

  it('S14: is refused as revoked even when it has expired too: refreshing would not help', async () => {
    const { accessToken, session } = await logIn();
    await test.sessions.logOut(session.id);
    await test.clock.advance('10m');
    await expect(test.sessions.verify(accessToken!)).rejects.toThrow(SessionRevokedError);
  });

  it('a refused token is checked again each time, and never kept', async () => {
    const checks = jest.spyOn(AccessTokenVerifier.prototype, 'verify');
    const { accessToken } = await logIn();
    const forged = accessToken!.replace(/.{4}$/, 'AAAA');
    for (let use = 0; use < 2; use++) {
      await expect(test.sessions.verify(forged)).rejects.toThrow(AccessTokenInvalidError);
    }
    expect(checks).toHaveBeenCalledTimes(2);
  });

  const mutations: [string, (session: UserSession) => unknown][] = [
    ['its user', session => Object.assign(session, { userId: 'grace' })],
    ['its id', session => Object.assign(session, { id: 'x' })],
    ['its claims', session => Object.assign(session, { claims: { role: 'admin' } })],
    ['a claim', session => (session.claims.role = 'admin')],
    ['a new claim', session => (session.claims.admin = true)],
    ['the loss of a claim', session => delete session.claims.role],
    ['a nested array', session => (session.claims.tags as unknown[]).push('x')],
    ['a nested object', session => ((session.claims.tags as { a: number }[])[0]!.a = 2)],
    ['a new property', session => Object.assign(session, { isAdmin: true })],
    ['its end', session => Object.assign(session, { expiresAt: new Date(0) })],
    ['its prototype', session => Object.setPrototypeOf(session, {}) as unknown],
  ];

  it.each(mutations)('is frozen, because requests share it: %s cannot be changed', async (_name, mutate) => {
    const { accessToken, session } = await logIn();
    expect(() => mutate(session)).toThrow(TypeError);
    const verified = await test.sessions.verify(accessToken!);
    expect(() => mutate(verified)).toThrow(TypeError);
    const again = await test.sessions.verify(accessToken!);
    expect(again).toMatchObject({ userId: 'ada', claims: { role: 'user', tags: [{ a: 1 }] } });
  });

  it.each(['expiresAt', 'authenticatedAt', 'createdAt'] as const)(
    'a handler that changes the Date of %s changes no other request',
    async name => {
      const { accessToken } = await logIn();
      const before = (await test.sessions.verify(accessToken!))[name].getTime();
      try {
        (await test.sessions.verify(accessToken!))[name].setTime(0);
      } catch {
        // Refusing is as good as handing out a copy.
      }
      expect((await test.sessions.verify(accessToken!))[name].getTime()).toBe(before);
    },
  );
});

describe('the cache of verified tokens', () => {
  it('is bounded', () => {
    const cache = new VerifiedTokenCache<number>(10);
    for (let token = 0; token < 1_000; token++) {
      cache.set(`token-${token}`, token);
      expect(cache.size).toBeLessThanOrEqual(20);
      expect(cache.get(`token-${token}`)).toBe(token);
    }
    expect(cache.get('token-0')).toBeUndefined();
  });

  it('keeps of a token no more than the token, however long the header was that it came in', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const cache = new VerifiedTokenCache<number>(1_000);
    const header = (entry: number) => `${'x'.repeat(14_000)}${entry} token=${String(entry).padStart(600, 'y')}; z`;
    collect();
    const before = process.memoryUsage().heapUsed;
    // As a parser gives strings: flat, not as the pieces they were put together from.
    const token = (entry: number) => {
      const text = Buffer.from(header(entry)).toString('latin1');
      return text.slice(text.indexOf('=') + 1, -3);
    };
    for (let entry = 0; entry < 1_000; entry++) cache.set(token(entry), entry);
    // Of the older ones half are in use.
    cache.set('another', 0);
    for (let entry = 0; entry < 500; entry++) expect(cache.get(token(entry))).toBe(entry);
    collect();
    expect((process.memoryUsage().heapUsed - before) / 1_000).toBeLessThan(3_000);
  });

  it('keeps what is in use while others come and go', () => {
    const cache = new VerifiedTokenCache<string>(10);
    cache.set('used', 'entry');
    for (let token = 0; token < 1_000; token++) {
      cache.set(`token-${token}`, 'other');
      if (token % 9 === 0) expect(cache.get('used')).toBe('entry');
    }
    expect(cache.size).toBeLessThanOrEqual(20);
  });
});

describe.each(PLATFORMS)('an access token on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  it('S14: is refused at once after its session was ended, also the cookie of another tab', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const tab = client.copy();
    const { body } = await tab.send('/me');
    await test.sessions.logOut(body.sessionId!, { reason: 'administrator' });
    for (const window of [client, tab]) {
      expect((await window.sendOnly('/me')).body.errorCode).toBe('session_revoked');
    }
    expect((await client.refresh()).body.errorCode).toBe('session_revoked');
  });

  it('F26: carries user and claims to the handler without a query', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada', { role: 'admin', teams: ['red', { name: 'blue', roles: [1, null, true] }] });
    const taken = await statementsDuring(test, async () => {
      const { status, body } = await client.send('/me');
      expect(status).toBe(200);
      expect(body).toMatchObject({
        userId: 'ada',
        claims: { role: 'admin', teams: ['red', { name: 'blue', roles: [1, null, true] }] },
      });
    });
    expect(taken).toEqual([]);
  });
});
