import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { BearerClient } from '../support/bearer-client.js';
import { CookieClient, send } from '../support/client.js';
import { es256, jws, partsOf } from '../support/forged-token.js';
import { PLATFORMS, SECRET, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const NEW = 'the-new-secret-that-is-long-enough-for-everybody';
const accessToken = { encryption: 'A256GCM' } as const;

describe.each(PLATFORMS)('F27: sessions with encrypted access tokens, on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({ session: { accessToken, csrf: 'both', binding: { userAgent: 'always' } } });
  });
  afterAll(() => apps?.close());

  const codeAt = async ({ url }: TestApp, token: string) =>
    (await send(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })).body.errorCode;

  it('live as any: cookies, CSRF tokens, binding, refresh, log-out by an expired token', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada', { role: 'admin' });
    expect(client.accessToken.split('.')).toHaveLength(5);
    expect((await client.send('/me')).body).toMatchObject({ userId: 'ada', claims: { role: 'admin' } });
    const csrf = client.jar.get('__Host-csrf_token')!;
    const act = (headers: Record<string, string>) => client.sendOnly('/act', { method: 'POST', headers });
    expect((await act({})).body.errorCode).toBe('csrf_rejected');
    expect((await act({ 'x-csrf-token': csrf })).status).toBe(200);
    expect((await act({ 'x-csrf-token': csrf, 'user-agent': 'another' })).body.errorCode).toBe('access_token_invalid');

    await test.advance('11m');
    expect((await client.sendOnly('/me')).body.errorCode).toBe('access_token_expired');
    const headers = { 'x-csrf-token': csrf };
    expect((await client.send('/session/refresh', { method: 'POST', headers })).status).toBe(200);
    const { sessionId } = (await client.send('/me')).body;
    await test.advance('11m');
    const cookie = `__Host-Http-access_token=${client.accessToken}`;
    await send(`${test.url}/session/logout`, { method: 'POST', headers: { ...headers, cookie } });
    expect(await test.sessions.get(sessionId!)).toBeNull();
  });

  it('J01: what is within must be signed by our key, and the envelope be ours to the letter', async () => {
    const { accessToken: token } = await test.sessions.logIn('ada', { userAgent: 'node' });
    const { header } = partsOf(`${token!.split('.')[0]}.${token!.split('.')[0]}.`);
    const kid = header.kid as string;
    const key = deriveServerKeys(SECRET).encryption.digest(Buffer.from(kid.slice(kid.indexOf('.') + 1)));
    const plain = await apps.start();
    const genuine = (await plain.sessions.logIn('ada')).accessToken!;
    const seal = (inner: string, more: object = {}) =>
      new CompactEncrypt(Buffer.from(inner))
        .setProtectedHeader({ ...header, ...more } as { alg: 'dir'; enc: 'A256GCM' })
        .encrypt(key);
    const { payload, header: signed } = partsOf(genuine);
    const foreign = jws(signed, payload, es256(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey));
    // The control: this very way of making one works.
    expect(await codeAt(plain, await seal(genuine))).toBeUndefined();
    for (const forged of [
      await seal(foreign),
      await seal(genuine, { typ: 'at+jwt' }),
      await seal(genuine, { kid: `${kid}x` }),
      await seal(genuine, { kid: 'none' }),
      await seal(await seal(genuine)),
      `${genuine.split('.')[0]}.${token!.split('.').slice(1).join('.')}`,
      token!.replace(/\.\.[^.]+\./, '...'),
      token!.replace('..', '.AAAA.'),
    ]) {
      expect(await codeAt(plain, forged)).toBe('access_token_invalid');
    }
  });

  it('outlive a rotation of the secret: nobody logs in again', async () => {
    const start = (secret: string | string[]) => apps.start({ session: { secret, accessToken } });
    const [before, between, after] = [await start(SECRET), await start([SECRET, NEW]), await start([NEW, SECRET])];
    const client = new BearerClient(before.url);
    const { body: first } = await client.logIn('ada');
    for (const app of [before, between, after]) expect(await codeAt(app, first.accessToken!)).toBeUndefined();

    const refresh = { method: 'POST', body: { refreshToken: first.refreshToken } };
    const { body: second } = await send(`${after.url}/session/refresh`, refresh);
    for (const app of [between, after]) expect(await codeAt(app, second.accessToken!)).toBeUndefined();
    // One that does not know the new secret yet: clients refresh there.
    expect(await codeAt(before, second.accessToken!)).toBe('access_token_invalid');
    await after.sessions.rotateKeys({ distrust: true });
    const alone = await start(NEW);
    expect(await codeAt(alone, first.accessToken!)).toBe('access_token_invalid');
    expect((await send(`${alone.url}/session/refresh`, { method: 'POST', body: second })).status).toBe(200);
  });
});
