import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { ReplayMemory } from '../../lib/tokens/replay-memory.js';
import { type Answer, send } from '../support/client.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

type Pair = { readonly privateKey: KeyObject; readonly publicKey: KeyObject };

const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const athOf = (token: string) => createHash('sha256').update(token).digest('base64url');

describe.each(PLATFORMS)('proofs of DPoP that are wrong, on %s', platform => {
  const own = p256();
  let jwk: JWK;
  let test: TestApp;
  let accessToken: string;
  let refreshToken: string;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { binding: { key: 'prefer' } } });
    jwk = await exportJWK(own.publicKey);
    ({ accessToken, refreshToken } = (
      await logIn(await proof({ htm: 'POST', htu: `${test.url}/login`, ath: undefined }))
    ).body as Record<string, string>);
  });
  afterAll(() => test?.close());

  const logIn = (dpop: string) =>
    send(`${test.url}/login`, {
      method: 'POST',
      headers: { 'session-transport': 'bearer', dpop },
      body: { userId: 'ada' },
    });

  /** A right proof for `GET /me` with the differences. */
  function proof(claims: object = {}, header: object = {}, { privateKey }: Pair | { privateKey: Uint8Array } = own) {
    return new SignJWT({
      jti: randomUUID(),
      htm: 'GET',
      htu: `${test.url}/me`,
      iat: Math.floor(test.clock.now() / 1000),
      ath: accessToken && athOf(accessToken),
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
      .sign(privateKey);
  }

  const ask = (dpop: string, path = '/me') =>
    send(test.url + path, { headers: { authorization: `DPoP ${accessToken}`, dpop } });

  /** The request is refused, asks the database nothing, and the session lives on. */
  async function expectRefused(run: () => Promise<Answer>): Promise<void> {
    let answer!: Answer;
    const statements = await statementsDuring(test, async () => {
      answer = await run();
    });
    expect([answer.status, answer.body.errorCode]).toEqual([401, 'key_proof_invalid']);
    expect(statements).toEqual([]);
    expect((await ask(await proof())).status).toBe(200);
  }

  it('P10: the right proof is accepted, however its address is spelled', async () => {
    expect(await calculateJwkThumbprint(jwk)).toHaveLength(43);
    for (const htu of [`${test.url}/me`, `${test.url}/me?x=1#y`, `${test.url.replace('http', 'HTTP')}/%6de`]) {
      expect((await ask(await proof({ htu: htu.replace('%6d', 'm') }))).status).toBe(200);
    }
  });

  it.each<[string, object]>([
    ['another method', { htm: 'POST' }],
    ['the method in lower case', { htm: 'get' }],
    ['another path', { htu: 'PATH' }],
    ['another host', { htu: 'https://other.example/me' }],
    ['another scheme', { htu: 'SCHEME' }],
    ['no address', { htu: '/me' }],
    ['a number for an address', { htu: 1 }],
    ['no address at all', { htu: undefined }],
    ['no method', { htm: undefined }],
    ['no id', { jti: undefined }],
    ['an empty id', { jti: '' }],
    ['an id of 257 characters', { jti: 'x'.repeat(257) }],
    ['a number for an id', { jti: 7 }],
    ['no time', { iat: undefined }],
    ['a text for a time', { iat: '1' }],
    ['a time a minute ago', { iat: -61 }],
    ['a time ahead', { iat: 7 }],
    ['no hash of the token', { ath: undefined }],
    ['the hash of another token', { ath: athOf('another') }],
    ['an object for a hash', { ath: {} }],
  ])('P10: %s is refused', async (_, claims) => {
    const now = Math.floor(test.clock.now() / 1000);
    const [path, scheme] = [`${test.url}/act`, `${test.url.replace('http:', 'https:')}/me`];
    const { iat, htu, ...others } = claims as { iat?: unknown; htu?: unknown };
    const changed = {
      ...others,
      ...('iat' in claims && { iat: typeof iat === 'number' ? now + iat : iat }),
      ...('htu' in claims && { htu: htu === 'PATH' ? path : htu === 'SCHEME' ? scheme : htu }),
    };
    await expectRefused(async () => ask(await proof(changed)));
  });

  it.each<[string, (jwk: JWK, other: JWK) => object]>([
    ['another type', () => ({ typ: 'JWT' })],
    ['no type', () => ({ typ: undefined })],
    ['no key', () => ({ jwk: undefined })],
    ['a text for a key', () => ({ jwk: 'key' })],
    ['the key of somebody else', (_, other) => ({ jwk: other })],
    ['an extension', () => ({ crit: ['b64'], b64: true })],
    [
      'a point off the curve',
      ({ x, ...others }) => ({ jwk: { ...others, x: x!.replace(/^./, a => (a === 'A' ? 'B' : 'A')) } }),
    ],
    ['a key that is too short', ({ x, ...others }) => ({ jwk: { ...others, x: x!.slice(1) } })],
    ['another curve', others => ({ jwk: { ...others, crv: 'P-384' } })],
  ])('P11: %s in the header is refused', async (_, headerOf) => {
    const header = headerOf(jwk, await exportJWK(p256().publicKey));
    await expectRefused(async () => ask(await proof({}, header)));
  });

  it('P11: private and symmetric keys, other algorithms and other keys are refused', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const other = p256();
    const secret = Buffer.from('a shared secret that is long enough');
    const sealed = { ...jwk, ...(await exportJWK(own.privateKey)) };
    await expectRefused(async () => ask(await proof({}, { jwk: sealed })));
    await expectRefused(async () => ask(await proof({}, { jwk: await exportJWK(other.publicKey) }, other)));
    await expectRefused(async () => ask(await proof({}, {}, other)));
    await expectRefused(async () => ask(await proof({}, { alg: 'RS256', jwk: await exportJWK(rsa.publicKey) }, rsa)));
    await expectRefused(async () =>
      ask(
        await proof({}, { alg: 'HS256', jwk: { kty: 'oct', k: secret.toString('base64url') } }, { privateKey: secret }),
      ),
    );
    await expectRefused(async () => ask(await proof({}, { alg: 'HS256' }, { privateKey: secret })));
    const [header, payload] = (await proof()).split('.') as [string, string];
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk })).toString('base64url');
    await expectRefused(() => ask(`${none}.${payload}.`));
    await expectRefused(() => ask(`${none}.${payload}.AAAA`));
    await expectRefused(() => ask(`${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`));
    await expectRefused(() => ask(`${header}.${payload}.${Buffer.alloc(63, 1).toString('base64url')}`));
  });

  it('P12: a proof counts once, also where its header or its signature is spelled in another way', async () => {
    const used = await proof();
    expect((await ask(used)).status).toBe(200);
    await expectRefused(() => ask(used));
    const [header, payload, signature] = used.split('.') as [string, string, string];
    for (const text of [
      `${used}=`,
      `${used}.`,
      `${header}..${signature}`,
      `${header}.${payload}.${signature}A`,
      `x${used}`,
      'x',
      '.',
      '..',
      ' ',
    ]) {
      await expectRefused(() => ask(text));
    }
  });

  it('P12: two proofs, in one header or in two, are refused', async () => {
    const [first, second] = [await proof(), await proof()];
    await expectRefused(() => ask(`${first}, ${second}`));
    const { port } = new URL(test.url);
    await expectRefused(
      () =>
        new Promise((resolve, reject) => {
          request(
            {
              port,
              host: '127.0.0.1',
              path: '/me',
              headers: { authorization: `DPoP ${accessToken}`, dpop: [first, second] },
            },
            response => {
              let text = '';
              response.on('data', chunk => (text += chunk));
              response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) } as Answer));
            },
          )
            .on('error', reject)
            .end();
        }),
    );
  });

  it('P12: a proof beyond 4 kB is refused, and one of 1 MB by the server itself', async () => {
    await expectRefused(async () => ask(await proof({ more: 'x'.repeat(4_000) })));
    const huge = await proof({ more: 'x'.repeat(1_000_000) });
    const answer = await ask(huge).catch(() => ({ status: 431 }));
    expect(answer.status).toBe(431);
    expect((await ask(await proof())).status).toBe(200);
  });

  it('P12: a wrong proof of a login or a refresh is refused without a statement', async () => {
    const wrong = await proof({ htm: 'POST', htu: `${test.url}/elsewhere` });
    const used = await proof({ htm: 'POST', htu: `${test.url}/login`, ath: undefined });
    expect((await logIn(used)).status).toBe(200);
    for (const dpop of [wrong, used, 'x']) await expectRefused(() => logIn(dpop));
    const refresh = (dpop: string) =>
      send(`${test.url}/session/refresh`, { method: 'POST', headers: { dpop }, body: { refreshToken } });
    const right = await proof({ htm: 'POST', htu: `${test.url}/session/refresh`, ath: undefined });
    expect((await refresh(right)).status).toBe(200);
    for (const dpop of [wrong, right, 'x']) await expectRefused(() => refresh(dpop));
  });

  it('P12: a refresh token that is not ours is refused before its proof is looked at', async () => {
    const answer = await send(`${test.url}/session/refresh`, {
      method: 'POST',
      headers: { dpop: 'x' },
      body: { refreshToken: 'x' },
    });
    expect(answer.body.errorCode).toBe('refresh_token_invalid');
  });
});

describe('the memory of used proofs', () => {
  it('P12: knows a proof for its lifetime at least, and not for ever', () => {
    const memory = new ReplayMemory(65, () => undefined);
    expect(memory.use('key', 'a', 1_000)).toBe(true);
    expect(memory.use('other key', 'a', 1_000)).toBe(true);
    expect(memory.use('key', 'a', 1_065)).toBe(false);
    expect(memory.use('key', 'b', 1_070)).toBe(true);
    expect(memory.use('key', 'b', 1_134)).toBe(false);
    expect(memory.use('key', 'a', 1_300)).toBe(true);
  });

  it('P12: is bounded, and says when it forgets too early', () => {
    let warnings = 0;
    const memory = new ReplayMemory(1_000, () => warnings++, 10);
    for (let id = 0; id < 10; id++) expect(memory.use('key', `${id}`, 5_000)).toBe(true);
    for (let id = 10; id < 20; id++) expect(memory.use('key', `${id}`, 5_000)).toBe(true);
    expect(memory.use('key', '0', 5_000)).toBe(false);
    expect(warnings).toBe(0);
    expect(memory.use('key', '20', 5_000)).toBe(true);
    expect(warnings).toBe(1);
    expect(memory.use('key', '0', 5_000)).toBe(true);
  });
});
