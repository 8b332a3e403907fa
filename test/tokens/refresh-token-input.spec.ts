import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { RefreshTokenInvalidError, RefreshTokenUnknownError } from 'nestjs-jwt-session';
import { ServerSecrets } from '../../lib/keys/server-secrets.js';
import { ACCESS_COOKIE, REFRESH_COOKIE, send } from '../support/client.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const TAGGED_BYTES = 53;

const withCookie = (name: string, value: string) => ({ headers: { cookie: `${name}=${value}` } });

const bytesOf = (token: string) => Buffer.from(token, 'base64url');

/** A token with the given authenticated bytes and the right tag: what only somebody with the secret can make. */
function tagged(test: TestApp, authenticated: Buffer): string {
  const { newest } = test.app.get(ServerSecrets, { strict: false });
  const tag = newest.tag.digest(authenticated).subarray(0, 16);
  return Buffer.concat([authenticated, tag]).toString('base64url');
}

/** Made from the victim's token and another session's: each is refused for its form or its tag. */
function mistaken(token: string, other: string): [string, string][] {
  const bytes = bytesOf(token);
  const swapped = Buffer.from(bytes);
  bytesOf(other).copy(swapped, 1, 1, 17);
  const version = Buffer.from(bytes);
  version[0] = 2;
  const generation = Buffer.from(bytes);
  generation.writeUInt32BE(1, 17);
  return [
    ['empty', ''],
    ['truncated by a character', token.slice(0, -1)],
    ['truncated to half', token.slice(0, 46)],
    ['longer by a character', `${token}A`],
    ['twice', token + token],
    ['padded', `${token}=`],
    ['with a space', `${token} `],
    ['with a line break', `${token}\n`],
    ['in another alphabet', `${token.slice(0, -1)}+`],
    ['with a dot', `${token.slice(0, 40)}.${token.slice(41)}`],
    ['in hexadecimal', bytes.toString('hex')],
    ['of another version', version.toString('base64url')],
    ['with the id of another session', swapped.toString('base64url')],
    ['of another generation', generation.toString('base64url')],
    ['of zeros', Buffer.alloc(69).toString('base64url')],
    ['of 1 MB', 'A'.repeat(1_000_000)],
    ['of 1 MB with a genuine beginning', token.padEnd(1_000_000, 'A')],
  ];
}

describe('refresh tokens that are none', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());

  async function expectRefused(refreshToken: string): Promise<void> {
    await expect(test.sessions.refresh({ refreshToken })).rejects.toThrow(RefreshTokenInvalidError);
  }

  it('a flipped bit in any byte: refused without a query, and nothing is revoked', async () => {
    const { refreshToken, session } = await test.sessions.logIn('ada', { transport: 'bearer' });
    const bytes = bytesOf(refreshToken!);
    const taken = await statementsDuring(test, async () => {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        await expectRefused(flipped.toString('base64url'));
      }
    });
    expect(taken).toEqual([]);
    expect(await test.sessions.get(session.id)).not.toBeNull();
    await expect(test.sessions.refresh({ refreshToken: refreshToken! })).resolves.toBeDefined();
  });

  it('another version with the right tag: refused without a query', async () => {
    const { refreshToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    const authenticated = bytesOf(refreshToken!).subarray(0, TAGGED_BYTES);
    // The control: the tag is made as the library makes it.
    expect(tagged(test, authenticated)).toBe(refreshToken);
    const taken = await statementsDuring(test, async () => {
      for (const version of [0, 2, 255]) {
        const changed = Buffer.from(authenticated);
        changed[0] = version;
        await expectRefused(tagged(test, changed));
      }
    });
    expect(taken).toEqual([]);
  });

  it('a generation that was never issued, with the right tag: refused, and nothing is revoked', async () => {
    const { refreshToken, accessToken, session } = await test.sessions.logIn('ada', { transport: 'bearer' });
    for (const generation of [1, 2, 2 ** 31 - 2]) {
      const changed = Buffer.from(bytesOf(refreshToken!).subarray(0, TAGGED_BYTES));
      changed.writeUInt32BE(generation, 17);
      for (const beside of [undefined, accessToken, refreshToken]) {
        const refresh = test.sessions.refresh({ refreshToken: tagged(test, changed), accessToken: beside });
        await expect(refresh).rejects.toThrow(RefreshTokenUnknownError);
      }
    }
    expect(await test.sessions.get(session.id)).not.toBeNull();
  });

  it('what is no string: refused as a token, not as an accident', async () => {
    for (const nothing of [undefined, null, 7, {}, []]) await expectRefused(nothing as unknown as string);
  });
});

describe.each(PLATFORMS)('bad refresh tokens on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      platform,
      // So that the library sees the huge ones, and not only the platform's limit.
      configure: app =>
        platform === 'express'
          ? void (app as NestExpressApplication).useBodyParser('json', { limit: '2mb' })
          : void (app as NestFastifyApplication).useBodyParser('application/json', { bodyLimit: 2_000_000 }),
    });
  });
  afterAll(() => test?.close());

  const refresh = (refreshToken: unknown) =>
    send(`${test.url}/session/refresh`, { method: 'POST', body: { refreshToken } });

  it('F3: each is refused without a query, and nothing is revoked', async () => {
    const [mine, other] = await Promise.all(['ada', 'ada'].map(id => test.sessions.logIn(id, { transport: 'bearer' })));
    for (const [name, token] of mistaken(mine!.refreshToken!, other!.refreshToken!)) {
      const taken = await statementsDuring(test, async () => {
        const { status, body } = await refresh(token);
        expect({ name, status, errorCode: body.errorCode }).toEqual({
          name,
          status: 401,
          errorCode: 'refresh_token_invalid',
        });
      });
      expect({ name, taken }).toEqual({ name, taken: [] });
    }
    for (const { accessToken, refreshToken } of [mine!, other!]) {
      await expect(test.sessions.verify(accessToken!)).resolves.toBeDefined();
      expect((await refresh(refreshToken)).status).toBe(200);
    }
  });

  it.each([7, true, ['a'], { a: 1 }])('a refreshToken that is %j is refused', async token => {
    expect(await refresh(token)).toMatchObject({ status: 401, body: { errorCode: 'refresh_token_invalid' } });
  });

  it('a bad cookie is refused without a query, and all cookies are cleared', async () => {
    const { refreshToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    const cookies = mistaken(refreshToken!, refreshToken!).filter(([, token]) => /^[\w.+=-]{0,5000}$/.test(token));
    expect(cookies.length).toBeGreaterThan(8);
    for (const [name, token] of cookies.filter(([, value]) => value !== refreshToken)) {
      const taken = await statementsDuring(test, async () => {
        const headers = { cookie: `${REFRESH_COOKIE}=${token}` };
        const answer = await send(`${test.url}/session/refresh`, { method: 'POST', headers });
        expect({ name, code: answer.body.errorCode }).toEqual({ name, code: 'refresh_token_invalid' });
        expect(answer.setCookie.filter(cookie => cookie.includes('Max-Age=0'))).toHaveLength(3);
      });
      expect({ name, taken }).toEqual({ name, taken: [] });
    }
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  it('R06: scenario 27: an access token is no refresh token, nor the reverse, and trying ends nothing', async () => {
    const { accessToken, refreshToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    const taken = await statementsDuring(test, async () => {
      expect((await refresh(accessToken)).body.errorCode).toBe('refresh_token_invalid');
      const asRefresh = withCookie(REFRESH_COOKIE, accessToken!);
      const refused = await send(`${test.url}/session/refresh`, { method: 'POST', ...asRefresh });
      expect(refused.body.errorCode).toBe('refresh_token_invalid');
      const bearer = { headers: { authorization: `Bearer ${refreshToken}` } };
      for (const options of [bearer, withCookie(ACCESS_COOKIE, refreshToken!)]) {
        const answer = await send(`${test.url}/me`, options);
        expect(answer).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
      }
    });
    expect(taken).toEqual([]);
    await expect(test.sessions.verify(accessToken!)).resolves.toBeDefined();
    expect((await refresh(refreshToken)).status).toBe(200);
  });
});
