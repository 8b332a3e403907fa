import { createSecretKey, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import type { SigningKey } from 'nestjs-jwt-session';
import { refusalOf } from '../support/application.js';
import { hs256, jws, partsOf } from '../support/forged-token.js';
import { fetchJwks } from '../support/jwks.js';
import { pemOf, signingKeyFor } from '../support/signing-keys.js';
import { SECRET } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const SHARED = 'a-secret-that-two-applications-share-0123';
const PEM = pemOf(signingKeyFor('ES256'));

describe('F18: HS256 with a shared secret', () => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on('express');
  });
  afterAll(() => apps?.close());

  const start = (signingKey?: SigningKey) =>
    apps.start({
      session: { accessToken: { algorithm: 'HS256' }, ...(signingKey ? { keys: { signingKey } } : {}) },
      typeorm: { extra: { allowExitOnIdle: true } },
    });

  it('J06: in every form another application verifies with it, and the JWK Set shows nothing', async () => {
    const bytes = Buffer.from(SHARED);
    const oct = { kty: 'oct', k: bytes.toString('base64url') };
    for (const signingKey of [SHARED, bytes, oct, createSecretKey(bytes)]) {
      const test = await start(signingKey);
      const { accessToken } = await test.sessions.logIn('ada');
      expect((await jwtVerify(accessToken!, bytes, { algorithms: ['HS256'] })).payload.sub).toBe('ada');
      expect((await fetchJwks(test.url)).answer.body).toEqual({ keys: [] });
      expect((await test.sessions.status()).keys.status).toBe('up');
    }
  });

  it('J01: neither an HMAC by something else nor another algorithm passes under the kid', async () => {
    const test = await start(SHARED);
    const { header, payload } = partsOf((await test.sessions.logIn('ada')).accessToken!);
    const forged = [
      jws(header, payload, hs256('x'.repeat(40))),
      jws({ ...header, alg: 'ES256' }, payload, hs256(SHARED)),
      jws({ ...header, alg: 'none' }, payload, () => Buffer.alloc(0)),
    ];
    for (const token of forged) await expect(test.sessions.verify(token)).rejects.toThrow('not valid');
  });

  it.each([
    ['none', undefined],
    ['one that is too short', 'x'.repeat(31)],
    ['a PEM', PEM],
    ['a PEM in a Buffer', Buffer.from(PEM)],
    ['a JWK as text', JSON.stringify(signingKeyFor('ES256').export({ format: 'jwk' }))],
    ['a JWK that is no base64url', { kty: 'oct', k: `${randomBytes(40).toString('hex')}=!` }],
    ['an EC key', signingKeyFor('ES256')],
    ['the server secret', SECRET],
  ] as const)('%s is refused at start', async (_, secret) => {
    const message = await refusalOf(start(secret));
    expect(message).toMatch(/HS256|"keys\.signingKey"/);
    if (typeof secret === 'string') expect(message).not.toContain(secret.slice(0, 40));
  });
});
