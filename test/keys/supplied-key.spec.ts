import { generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SigningKeyFunction, SigningPeriod } from 'nestjs-jwt-session';
import { GENERATED_ALGORITHMS, type GeneratedAlgorithm } from '../../lib/options/token-options.js';
import { BearerClient } from '../support/bearer-client.js';
import { partsOf } from '../support/forged-token.js';
import { fetchJwks, ForeignVerifier } from '../support/jwks.js';
import { toMidPeriod } from '../support/mid-period.js';
import { pemOf, signingKeyFor } from '../support/signing-keys.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const logIn = async ({ url }: TestApp) => {
  const client = new BearerClient(url);
  expect((await client.logIn('ada')).status).toBe(200);
  return client;
};
const kidOf = (token: string) => partsOf(token).header.kid as string;
const shown = async ({ url }: TestApp) => (await fetchJwks(url)).keys.map(({ kid }) => kid);

/** The default of `keys.rotateEvery`. */
const PERIOD = 7 * 24 * 3_600_000;

/** Rows that hold keys for access tokens. */
const keyRows = ({ database }: TestApp) =>
  database.query("SELECT kid FROM jwt_session_key WHERE purpose LIKE 'access-token%'");

/** A key management that has one key per period, the same for every caller. */
function keyManagement() {
  const keys = new Map<number, JsonWebKey>();
  const asked: SigningPeriod[] = [];
  const answer = (period: SigningPeriod) => {
    const time = period.from.getTime();
    asked.push(period);
    if (!keys.has(time)) keys.set(time, { ...signingKeyFor('ES256').export({ format: 'jwk' }), kid: `key-${time}` });
    return keys.get(time)!;
  };
  return { asked, answer, kidAt: (from: Date) => `key-${from.getTime()}` };
}

const FORMS: [string, GeneratedAlgorithm, (key: KeyObject) => unknown, number?][] = [
  ...GENERATED_ALGORITHMS.flatMap((algorithm): [string, GeneratedAlgorithm, (key: KeyObject) => unknown][] => [
    ['PEM in PKCS #8', algorithm, key => pemOf(key, 'pkcs8')],
    [algorithm.startsWith('ES') ? 'PEM in SEC 1' : 'PEM in PKCS #1', algorithm, key => pemOf(key, 'traditional')],
    ['PEM in a Buffer', algorithm, key => Buffer.from(pemOf(key, 'pkcs8'))],
    [
      'JWK',
      algorithm,
      key => ({ ...key.export({ format: 'jwk' }), kid: 'known-elsewhere', alg: algorithm, use: 'sig' }),
    ],
    ['KeyObject', algorithm, key => key],
  ]),
  ['PEM of 3072 bits', 'RS256', key => pemOf(key, 'pkcs8'), 3072],
  ['KeyObject of 3072 bits', 'PS256', key => key, 3072],
];

describe.each(PLATFORMS)('F6: scenario 13: supplied keys on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    await toMidPeriod(apps.clock);
  });
  afterAll(() => apps?.close());

  const start = (signingKey: unknown, algorithm: GeneratedAlgorithm = 'ES256') =>
    apps.start({ session: { accessToken: { algorithm }, keys: { signingKey: signingKey as SigningKeyFunction } } });

  it('a function is asked once for each period; its key is shown before it signs; three periods log nobody out', async () => {
    const management = keyManagement();
    const test = await start(management.answer);
    const client = await logIn(test);
    const verifier = new ForeignVerifier(test.url, () => apps.clock.now());
    for (let period = 1; period <= 3; period++) {
      const current = management.asked.at(-1)!;
      expect(current.until.getTime() - current.from.getTime()).toBe(PERIOD);
      const next = management.kidAt(current.until);
      const left = current.until.getTime() - apps.clock.now();

      await test.advance(`${left - 3_660_000}ms`);
      expect(await shown(test)).toEqual([management.kidAt(current.from)]);
      await test.advance('2m');
      expect(await shown(test)).toEqual([management.kidAt(current.from), next]);
      expect((await client.refresh()).status).toBe(200);
      expect(kidOf(client.accessToken)).toBe(management.kidAt(current.from));
      expect(await verifier.verify(client.accessToken)).toMatchObject({ sub: 'ada' });

      // An access token from just before the change lives on after it.
      await test.advance('58m');
      expect((await client.refresh()).status).toBe(200);
      const old = client.accessToken;
      await test.advance('2m');
      expect((await client.send('/me')).status).toBe(200);
      expect((await client.refresh()).status).toBe(200);
      expect(kidOf(client.accessToken)).toBe(next);
      for (const token of [old, client.accessToken]) {
        expect(await verifier.verify(token)).toMatchObject({ sub: 'ada' });
        await expect(test.sessions.verify(token)).resolves.toMatchObject({ userId: 'ada' });
      }
      await test.advance('9m');
      await expect(test.sessions.verify(old)).rejects.toMatchObject({ errorCode: 'access_token_expired' });
    }
    const asked = management.asked.map(({ from }) => from.getTime());
    expect(new Set(asked).size).toBe(asked.length);
    expect(await keyRows(test)).toEqual([]);
    expect(await test.sessions.status()).toMatchObject({ status: 'up', keys: { status: 'up' } });
  });

  it('several processes with one function accept each other’s tokens, also before they have seen the new key', async () => {
    const management = keyManagement();
    const [one, other] = [
      await start(management.answer),
      await start(async (period: SigningPeriod) => management.answer(period)),
    ];
    const client = await logIn(one);
    const elsewhere = Object.assign(new BearerClient(other.url), { accessToken: client.accessToken });
    expect((await elsewhere.send('/me')).status).toBe(200);
    expect(await shown(one)).toEqual(await shown(other));
    // Only one of them looks after its keys; the other meets a kid that it does not know.
    await one.advance('7d');
    expect((await client.refresh()).status).toBe(200);
    elsewhere.accessToken = client.accessToken;
    expect((await elsewhere.send('/me')).status).toBe(200);
  });

  it('another key at the next start: old access tokens are refused, clients refresh, nobody logs in again', async () => {
    const before = await start(pemOf(signingKeyFor('ES256')));
    const client = await logIn(before);
    const after = await start(pemOf(signingKeyFor('RS256')), 'RS256');
    const { accessToken, refreshToken } = client;
    const moved = Object.assign(new BearerClient(after.url), { accessToken, refreshToken });
    expect(await moved.send('/me')).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
    expect((await moved.refresh()).status).toBe(200);
    expect((await moved.send('/me')).status).toBe(200);
  });

  it('from generated keys to a supplied one and back: likewise', async () => {
    const supplied = pemOf(signingKeyFor('ES256'));
    let client: BearerClient | undefined;
    for (const session of [{}, { keys: { signingKey: supplied } }, {}]) {
      const { url } = await apps.start({ session });
      const { accessToken = '', refreshToken = '' } = client ?? {};
      client = Object.assign(new BearerClient(url), { accessToken, refreshToken });
      if (accessToken === '') await client.logIn('ada');
      else {
        expect((await client.send('/me')).body.errorCode).toBe('access_token_invalid');
        expect((await client.refresh()).status).toBe(200);
      }
      expect((await client.send('/me')).status).toBe(200);
    }
  });
});

describe('F6: forms of a supplied key', () => {
  let apps: TestApps;
  const keys = new Map<string, KeyObject>();
  beforeAll(async () => {
    apps = await TestApps.on('express');
  });
  afterAll(() => apps?.close());

  it.each(FORMS)('J06: %s for %s: signs, and nothing private is shown', async (form, algorithm, write, bits = 2048) => {
    const name = `${algorithm} ${bits}`;
    if (!keys.has(name)) keys.set(name, signingKeyFor(algorithm, bits));
    const signingKey = write(keys.get(name)!) as KeyObject;
    const test = await apps.start({ session: { accessToken: { algorithm }, keys: { signingKey } } });
    const client = await logIn(test);
    expect((await client.send('/me')).body.userId).toBe('ada');
    expect(await new ForeignVerifier(test.url, Date.now).verify(client.accessToken)).toMatchObject({ sub: 'ada' });
    const jwks = await fetchJwks(test.url);
    expect(jwks.keys).toHaveLength(1);
    const members = algorithm.startsWith('ES') ? ['crv', 'x', 'y'] : ['e', 'n'];
    expect(Object.keys(jwks.keys[0]!).sort()).toEqual([...members, 'alg', 'kid', 'kty', 'use'].sort());
    if (form === 'JWK') expect(kidOf(client.accessToken)).toBe('known-elsewhere');
    else expect(kidOf(client.accessToken)).toMatch(/^[\w-]{43}$/);
    await test.close();
  });

  it('the same key has the same kid in every form, and also for every period', async () => {
    const key = signingKeyFor('ES256');
    const kids: string[] = [];
    for (const signingKey of [key, pemOf(key), pemOf(key, 'traditional'), () => key, async () => pemOf(key)]) {
      const test = await apps.start({ session: { keys: { signingKey } } });
      kids.push(kidOf((await logIn(test)).accessToken));
    }
    expect(new Set(kids).size).toBe(1);
  });

  it('J07: one key for all periods is shown once and never ceases to count', async () => {
    const key = signingKeyFor('ES256');
    let asked = 0;
    const test = await apps.start({
      session: { keys: { rotateEvery: '30m', publishAhead: '10m', signingKey: () => ((asked += 1), key) } },
    });
    const client = await logIn(test);
    // With few ticks between them, so that a period ends before the process has looked after its keys.
    for (let minutes = 0; minutes < 90; minutes += 9) {
      await apps.clock.advance('9m');
      expect((await client.refresh()).status).toBe(200);
      expect(await client.send('/me')).toMatchObject({ status: 200 });
      expect(await shown(test)).toHaveLength(1);
      if (minutes % 18 === 0) await test.advance('1ms');
    }
    expect(asked).toBeLessThanOrEqual(6);
  });

  it('rotateKeys is refused, with distrust too: the key is not ours to make', async () => {
    const test = await apps.start({ session: { keys: { signingKey: signingKeyFor('ES256') } } });
    const client = await logIn(test);
    for (const options of [{}, { distrust: true }]) {
      await expect(test.sessions.rotateKeys(options)).rejects.toThrow(/"keys\.signingKey".*write another/);
    }
    expect((await client.send('/me')).status).toBe(200);
    expect(await shown(test)).toHaveLength(1);
    expect(await keyRows(test)).toEqual([]);
  });

  it('an RSA key signs both as RS256 and PS256, where its JWK does not say which', async () => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
    for (const algorithm of ['RS256', 'PS256'] as const) {
      const test = await apps.start({ session: { accessToken: { algorithm }, keys: { signingKey: jwk } } });
      expect((await (await logIn(test)).send('/me')).status).toBe(200);
    }
  });
});
