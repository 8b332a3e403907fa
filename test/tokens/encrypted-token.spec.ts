import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { jws, partsOf } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { SECRET } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const NEW = 'the-new-secret-that-is-long-enough-for-everybody';

describe('F27: encrypted access tokens', () => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on('express');
  });
  afterAll(() => apps?.close());

  const start = (secret: string | string[] = SECRET, encryption: 'off' | 'A256GCM' = 'A256GCM') =>
    apps.start({ session: { secret, accessToken: { encryption } } });

  it('reveal nothing, and are valid in every process, with either value of the option there, and after a rotation of the secret', async () => {
    const test = await start();
    const issued = await test.sessions.logIn('ada-lovelace', { claims: { role: 'admin' } });
    const segments = issued.accessToken!.split('.');
    expect([segments.length, segments[1]]).toEqual([5, '']);
    const { kid, ...header } = partsOf(`${segments[0]}.${segments[0]}.`).header;
    expect(header).toEqual({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' });
    expect(kid).toEqual(expect.any(String));
    const readable = segments.map(segment => Buffer.from(segment, 'base64url').toString('latin1')).join();
    expect(readable).not.toMatch(/ada-lovelace|role|admin|sub/);
    const { accessToken: plain } = await (await start(SECRET, 'off')).sessions.logIn('grace');
    for (const { sessions } of [await start(), await start(SECRET, 'off'), await start([NEW, SECRET])]) {
      await expect(sessions.verify(issued.accessToken!)).resolves.toMatchObject({ userId: 'ada-lovelace' });
      await expect(sessions.verify(plain!)).resolves.toMatchObject({ userId: 'grace' });
    }
  });

  it('forged ones are refused without a query', async () => {
    const test = await start();
    const { accessToken } = await test.sessions.logIn('ada');
    const segments = accessToken!.split('.');
    const changed = [0, 2, 3, 4].map(index =>
      segments.map((part, at) => (at === index ? (part[0] === 'A' ? 'B' : 'A') + part.slice(1) : part)).join('.'),
    );
    const cut = [2, 3, 4].map(index => segments.map((part, at) => (at === index ? part.slice(0, -4) : part)).join('.'));
    const { header } = partsOf(`${segments[0]}.${segments[0]}.`);
    const kid = header.kid as string;
    const key = deriveServerKeys(SECRET).encryption.digest(Buffer.from(kid.slice(kid.indexOf('.') + 1)));
    const seal = (inner: string, more = {}) =>
      new CompactEncrypt(Buffer.from(inner))
        .setProtectedHeader({ ...header, ...more } as { alg: string; enc: string })
        .encrypt(key);
    const unsigned = jws({ alg: 'none', typ: 'at+jwt', kid: 'x' }, { sub: 'ada' }, () => Buffer.alloc(0));
    const forged = [
      ...changed,
      ...cut,
      await seal(unsigned),
      await seal(accessToken!),
      await seal('x', { typ: 'JWT' }),
    ];
    const taken = await statementsDuring(test, async () => {
      for (const token of forged) await expect(test.sessions.verify(token)).rejects.toThrow('not valid');
    });
    expect(taken).toEqual([]);
  });
});
