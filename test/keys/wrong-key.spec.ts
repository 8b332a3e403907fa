import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AccessTokenAlgorithm, SigningKeyFunction } from 'nestjs-jwt-session';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { refusalOf } from '../support/application.js';
import { BearerClient } from '../support/bearer-client.js';
import { jws, partsOf } from '../support/forged-token.js';
import { fetchJwks } from '../support/jwks.js';
import { pemOf, signingKeyFor } from '../support/signing-keys.js';
import type { TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const p256 = signingKeyFor('ES256');
const p384 = signingKeyFor('ES384');
const rsa = signingKeyFor('RS256');
const [jwk, otherJwk] = [p256, signingKeyFor('ES256')].map(key => key.export({ format: 'jwk' }));
const encrypted = p256.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' });
const ed25519 = generateKeyPairSync('ed25519').privateKey;
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
const oct = { kty: 'oct', k: randomBytes(32).toString('base64url') };

const WRONG: [string, unknown, AccessTokenAlgorithm?][] = [
  ['a public key in PEM', createPublicKey(p256).export({ type: 'spki', format: 'pem' })],
  ['a public KeyObject', createPublicKey(p256)],
  ['a public JWK', createPublicKey(p256).export({ format: 'jwk' })],
  ['an encrypted PEM', encrypted],
  ['a key on the curve of ES384', pemOf(p384)],
  ['a key on the curve of ES256', pemOf(p256), 'ES384'],
  ['an EC key', pemOf(p256), 'RS256'],
  ['an EC key', p256, 'PS256'],
  ['an RSA key', rsa],
  ['an RSA key of 1024 bits', pemOf(signingKeyFor('RS256', 1024)), 'RS256'],
  ['an RSA-PSS key, which RS256 cannot have', pss, 'RS256'],
  ['an Ed25519 key', ed25519.export({ type: 'pkcs8', format: 'pem' })],
  ['half a PEM', pemOf(p256).slice(0, 90)],
  ['DER', p256.export({ type: 'pkcs8', format: 'der' })],
  ['a file name', './key.pem'],
  ['garbage', 'garbage-that-is-no-key'],
  ['an empty string', ''],
  ['a number', 7],
  ['null', null],
  ['undefined, as a missing environment variable', undefined],
  ['an empty object', {}],
  ['an array', [jwk]],
  ['a secret', oct],
  ['a secret KeyObject', createSecretKey(randomBytes(32))],
  ['a JWK of two keys', { ...jwk, d: otherJwk!.d }],
  ['a JWK whose private member is a number', { ...jwk, d: 5 }],
  ['a JWK for another algorithm', { ...jwk, alg: 'ES384' }],
  ['a JWK for encryption', { ...jwk, use: 'enc' }],
  ['a JWK with a kid that headers cannot carry', { ...jwk, kid: 'Schlüssel' }],
  ['a JWK with an empty kid', { ...jwk, kid: '' }],
  ['a JWK with a kid as long as a token', { ...jwk, kid: 'x'.repeat(4_000) }],
  ['a JWK with a number for a kid', { ...jwk, kid: 5 }],
  ['a function that answers undefined', () => undefined],
  ['a function that answers a public key', async () => createPublicKey(p256)],
  ['a function that throws what it was given', () => JSON.parse(pemOf(p256)) as unknown],
];

/** What of a key must not be told: its private members, its lines in PEM. */
const SECRETS = [...[p256, p384, rsa].flatMap(key => pemOf(key).split('\n')), jwk!.d!, otherJwk!.d!, oct.k]
  .filter(line => line !== '' && !line.startsWith('-----'))
  .map(line => line.slice(0, 16));

const tick = ({ app }: TestApp) => app.get(KeyRotation).tick();

describe('F6: a wrong signing key', () => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on('express');
    await apps.clock.advance(`${90 * 60_000 - (apps.clock.now() % 3_600_000)}ms`);
  });
  afterAll(() => apps?.close());

  const start = (signingKey: unknown, algorithm: AccessTokenAlgorithm = 'ES256') =>
    apps.start({
      session: {
        accessToken: { algorithm },
        keys: { rotateEvery: '1h', publishAhead: '10m', signingKey: signingKey as SigningKeyFunction },
      },
      typeorm: { extra: { allowExitOnIdle: true } },
    });

  /** What the application logs as errors from now on. */
  const errorsOf = ({ app }: TestApp) => {
    const errors: string[] = [];
    const ignore = () => undefined;
    app.useLogger({ log: ignore, warn: ignore, error: (message: string) => errors.push(message) });
    return errors;
  };

  const logIn = async ({ url }: TestApp) => {
    const client = new BearerClient(url);
    return { client, answer: await client.logIn('ada') };
  };

  it.each(WRONG.map(([what, key, algorithm = 'ES256']) => [what, algorithm, key] as const))(
    '%s for %s is refused at start, by a message that names the option',
    async (_, algorithm, signingKey) => {
      const message = await refusalOf(start(signingKey, algorithm));
      expect(message).toContain('"keys.signingKey"');
      expect(message).toMatch(/write|needs|leave|belong|another|cannot/);
      for (const secret of SECRETS) expect(message).not.toContain(secret);
      expect(message.length).toBeLessThan(400);
    },
  );

  it('F6: a function that throws at start: it does not start, and says why', async () => {
    for (const fails of [
      () => {
        throw new Error('the vault is sealed');
      },
      () => Promise.reject(new Error('the vault is sealed')),
    ]) {
      const message = await refusalOf(start(fails));
      expect(message).toMatch(/^option "keys\.signingKey": .*period from \d{4}-.*: the vault is sealed$/);
    }
    expect(await refusalOf(start(() => Promise.reject('no error')))).toContain('it threw a value that is not an Error');
  });

  it('F6: a function that has no key of a period that has passed does not keep it from starting', async () => {
    await apps.clock.advance(`${3_600_000 - (apps.clock.now() % 3_600_000) + 60_000}ms`);
    const asked: number[] = [];
    const test = await start(({ from }: { from: Date }) => {
      asked.push(from.getTime());
      if (apps.clock.now() - from.getTime() > 3_600_000) throw new Error('no such key');
      return p256;
    });
    expect(asked).toHaveLength(2);
    expect((await logIn(test)).answer.status).toBe(200);
    await apps.clock.advance('29m');
  });

  it('F6: a function that throws later: what is there signs on and the error is logged; then 503, then it recovers', async () => {
    let sealed = false;
    const keys = new Map<number, unknown>();
    const test = await start(({ from }: { from: Date }) => {
      if (sealed) throw new Error('the vault is sealed');
      if (!keys.has(from.getTime())) keys.set(from.getTime(), signingKeyFor('ES256'));
      return keys.get(from.getTime());
    });
    const errors = errorsOf(test);
    const { client } = await logIn(test);
    const { header, payload } = partsOf(client.accessToken);
    const [kid] = (await fetchJwks(test.url)).keys.map(key => key.kid);
    sealed = true;

    // The key of the next period cannot be loaded, without any effect on users.
    await apps.clock.advance('25m');
    await tick(test);
    expect(errors).toEqual([expect.stringMatching(/"keys\.signingKey".*the vault is sealed/)]);
    expect((await client.refresh()).status).toBe(200);
    const stranger = jws({ ...header, kid: 'unknown' }, payload, () => Buffer.alloc(64));
    await expect(test.sessions.verify(stranger)).rejects.toMatchObject({ errorCode: 'access_token_invalid' });

    // Its period has come: the former key signs until it retires.
    await apps.clock.advance('10m');
    await expect(tick(test)).rejects.toThrow('the vault is sealed');
    expect((await client.refresh()).status).toBe(200);
    expect(partsOf(client.accessToken).header.kid).toBe(kid);
    expect((await client.send('/me')).status).toBe(200);

    await apps.clock.advance('10m');
    await apps.clock.advance('5m');
    const { answer } = await logIn(test);
    expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
    expect(JSON.stringify(answer.body)).not.toContain('vault');
    expect(await test.sessions.status()).toMatchObject({ status: 'down', keys: { status: 'down', verifying: 0 } });
    const before = errors.length;
    const unknown = await client.send('/me', { headers: { authorization: `Bearer ${stranger}` } });
    expect(unknown).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
    expect(JSON.stringify(unknown.body)).not.toContain('vault');
    expect(errors.slice(before)).toEqual([expect.stringContaining('the vault is sealed')]);

    sealed = false;
    await tick(test);
    expect((await client.refresh()).status).toBe(200);
    expect((await client.send('/me')).status).toBe(200);
  });

  it('F6: keys of two periods under one kid: the present one counts, the other is logged', async () => {
    const keys = new Map<number, object>();
    const test = await start(({ from }: { from: Date }) => {
      const time = from.getTime();
      if (!keys.has(time)) keys.set(time, { ...signingKeyFor('ES256').export({ format: 'jwk' }), kid: 'main' });
      return keys.get(time);
    });
    const errors = errorsOf(test);
    const { client } = await logIn(test);
    for (let minutes = 0; minutes < 120; minutes += 9) {
      await test.advance('9m');
      expect((await client.refresh()).status).toBe(200);
      expect((await client.send('/me')).status).toBe(200);
      expect((await fetchJwks(test.url)).keys).toHaveLength(1);
    }
    expect(errors[0]).toMatch(/"keys\.signingKey".*two periods.*main.*its own/);
  });
});
