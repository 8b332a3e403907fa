import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GENERATED_ALGORITHMS } from '../../lib/options/token-options.js';
import { partsOf } from '../support/forged-token.js';
import { fetchJwks, ForeignVerifier } from '../support/jwks.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const MEMBERS = {
  ES256: ['crv', 'kty', 'x', 'y'],
  ES384: ['crv', 'kty', 'x', 'y'],
  RS256: ['e', 'kty', 'n'],
  PS256: ['e', 'kty', 'n'],
};

describe.each(PLATFORMS)('the JWK Set on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  it.each(GENERATED_ALGORITHMS)('J06: F18: shows public members only, and verifies a token by %s', async algorithm => {
    const test = await apps.start({ session: { accessToken: { algorithm } } });
    const { accessToken } = await test.sessions.logIn('ada', { transport: 'bearer', claims: { role: 'admin' } });
    const { header } = partsOf(accessToken!);
    expect(header).toEqual({ alg: algorithm, typ: 'at+jwt', kid: expect.any(String) });

    const { answer, keys } = await fetchJwks(test.url);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/jwk-set\+json/);
    expect(Object.keys(answer.body)).toEqual(['keys']);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(keys.length);
    const jwk = keys.find(({ kid }) => kid === header.kid)!;
    expect(jwk).toMatchObject({ alg: algorithm, use: 'sig' });
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'kid', 'use', ...MEMBERS[algorithm]].sort());

    const foreign = new ForeignVerifier(test.url, () => apps.clock.now());
    expect(await foreign.verify(accessToken!)).toMatchObject({ sub: 'ada', role: 'admin' });
    await expect(foreign.verify(accessToken!.replace(/.{4}$/, 'AAAA'))).rejects.toThrow('wrong signature');
    await expect(test.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
  });

  it('F7: changing accessToken.algorithm keeps old tokens valid until they expire, in old and new processes', async () => {
    const before = await apps.start({ session: { accessToken: { algorithm: 'ES256' } } });
    const old = await before.sessions.logIn('ada', { transport: 'bearer' });
    const after = await apps.start({ session: { accessToken: { algorithm: 'PS256' } } });
    await expect(after.sessions.verify(old.accessToken!)).resolves.toMatchObject({ userId: 'ada' });

    const refreshed = await after.sessions.refresh({ refreshToken: old.refreshToken! });
    expect(partsOf(refreshed.accessToken!).header.alg).toBe('PS256');
    await expect(before.sessions.verify(refreshed.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
    const algorithms = (await fetchJwks(after.url)).keys.map(({ alg }) => alg);
    expect(algorithms).toEqual(expect.arrayContaining(['ES256', 'PS256']));
  });

  it.each([
    ['7d', '1h', 300],
    ['2h', '2m', 60],
    ['4s', '1s', 0],
  ])('J06: is cacheable, and always for less than publishAhead: %s, %s', async (rotateEvery, publishAhead, longest) => {
    const test = await apps.start({ session: { keys: { rotateEvery, publishAhead } } });
    const { answer, maxAge } = await fetchJwks(test.url);
    expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    expect(maxAge).toBe(longest);
  });

  it('J06: costs no query', async () => {
    const test = await apps.start();
    expect(await statementsDuring(test, () => fetchJwks(test.url))).toEqual([]);
  });
});
