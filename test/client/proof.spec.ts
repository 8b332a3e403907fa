import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSessionFetch, type SessionEnd, type SessionFetch, type SessionTokens } from 'nestjs-jwt-session/client';
import { generateKeyPair, generateProof, type KeyPair } from 'dpop';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('a bearer client with a key', () => {
  let test: TestApp;
  let keys: KeyPair;
  let tokens: SessionTokens | undefined;
  let ends: SessionEnd[];
  let session: SessionFetch;
  beforeAll(async () => {
    test = await startTestApp({ session: { binding: { key: 'require' } } });
  });
  afterAll(() => test?.close());
  beforeEach(async () => {
    keys = await generateKeyPair('ES256');
    tokens = undefined;
    ends = [];
    session = clientOf(() => keys);
    const body = JSON.stringify({ userId: 'ada' });
    const headers = { 'content-type': 'application/json' };
    await session.saveTokens(await (await session('/login', { method: 'POST', headers, body })).json());
  });

  const clientOf = (key: () => KeyPair) =>
    createSessionFetch({
      baseUrl: test.url,
      storage: { load: () => tokens, save: given => void (tokens = given), clear: () => void (tokens = undefined) },
      proof: ({ method, url }, accessToken) => generateProof(key(), url, method, undefined, accessToken),
      onSessionEnd: end => ends.push(end),
    });

  it('P18: logs in, asks, refreshes and logs out with proofs, and keeps its refresh token', async () => {
    expect((await session('/me?x=1')).status).toBe(200);
    expect((await session('/act', { method: 'POST' })).status).toBe(200);
    const former = tokens!;
    await test.sessions.invalidateTokens('ada', 'access');
    expect((await session('/me')).status).toBe(200);
    expect(tokens!.refreshToken).toBe(former.refreshToken);
    expect(tokens!.accessToken).not.toBe(former.accessToken);
    expect(await session.refresh()).toBe(true);
    await session.logOut();
    expect(await test.sessions.list('ada')).toEqual([]);
  });

  it('P18: a copy of the tokens is of no use to a client without the key, and the session lives on', async () => {
    const stolen = tokens!;
    const other = await generateKeyPair('ES256');
    const thief = clientOf(() => other);
    expect((await thief('/me')).status).toBe(401);
    expect(await thief.refresh()).toBe(false);
    tokens = stolen;
    const plain = createSessionFetch({
      baseUrl: test.url,
      storage: { load: () => stolen, save: () => undefined, clear: () => undefined },
      onSessionEnd: end => ends.push(end),
    });
    ends = [];
    expect((await plain('/me')).status).toBe(401);
    expect(ends).toEqual([{ reason: 'session_key_required', class: undefined }]);
    expect((await session('/me')).status).toBe(200);
    await test.sessions.logOutAll('ada');
  });
});
