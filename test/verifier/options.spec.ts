import { type DynamicModule, Injectable, Logger, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  SessionGuard,
  SessionVerifierModule,
  type SessionVerifierOptions,
  type SessionVerifierOptionsFactory,
} from 'nestjs-jwt-session/verifier';
import { resolveVerifierOptions } from '../../lib/verifier/session-verifier.options.js';
import { send } from '../support/client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { startVerifier } from '../support/verifier-app.js';

const SHARED = 'a secret that applications share, of 32 bytes or more';

const JWKS = { jwksUri: 'https://a.example/keys' };
const REVOCATIONS = { url: 'https://a.example/session/revocations' };

describe('the options of SessionVerifierModule', () => {
  let issuing: TestApp;
  let jwksUri: string;
  beforeAll(async () => {
    issuing = await startTestApp();
    jwksUri = `${issuing.url}/.well-known/jwks.json`;
  });
  afterAll(() => issuing?.close());

  /** The status and code that the service gives a token of the issuing application. */
  async function answerOf(module: DynamicModule | typeof Guarded, from = issuing): Promise<unknown> {
    const { app, url } = await startVerifier('express', module, from.clock);
    try {
      const { accessToken } = await from.sessions.logIn('ada');
      const { status, body } = await send(`${url}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
      return body.errorCode ?? status;
    } finally {
      await app.close();
    }
  }

  @Injectable()
  class Factory implements SessionVerifierOptionsFactory {
    createSessionVerifierOptions(): SessionVerifierOptions {
      return { jwksUri };
    }
  }

  @Module({ providers: [Factory], exports: [Factory] })
  class FactoryModule {}

  @Module({})
  class Guarded {
    static module(): DynamicModule {
      return {
        module: Guarded,
        imports: [SessionVerifierModule.forRoot({ jwksUri })],
        providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
      };
    }
  }

  it.each<[string, () => DynamicModule]>([
    ['forRoot', () => SessionVerifierModule.forRoot({ jwksUri })],
    ['useFactory', () => SessionVerifierModule.forRootAsync({ useFactory: () => Promise.resolve({ jwksUri }) })],
    ['useClass', () => SessionVerifierModule.forRootAsync({ useClass: Factory })],
    ['useExisting', () => SessionVerifierModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory })],
    ['a global guard', () => Guarded.module()],
  ])('come by %s', async (_name, module) => {
    expect(await answerOf(module())).toBe(200);
  });

  it.each<[string, object, RegExp]>([
    ['nothing', {}, /write option "jwksUri".*or for HS256 option "sharedSecret", not both/],
    ['both', { jwksUri: 'https://a.example/keys', sharedSecret: SHARED }, /not both/],
    ['a path', { jwksUri: '/.well-known/jwks.json' }, /option "jwksUri": write the whole address/],
    ['a file', { jwksUri: 'file:///etc/keys' }, /option "jwksUri": write the whole address/],
    [
      'a short secret',
      { sharedSecret: 'short' },
      /option "sharedSecret": for HS256 write a random secret of at least 32/,
    ],
    [
      'a public key',
      { sharedSecret: '-----BEGIN PUBLIC KEY-----' },
      /option "sharedSecret": for HS256 write the secret/,
    ],
    ['a misspelt one', { jwksUrl: 'https://a.example/keys' }, /unknown option "jwksUrl"/],
    ['token CSRF', { jwksUri: 'https://a.example/keys', csrf: 'token' }, /option "csrf"/],
    ['a bare number', { jwksUri: 'https://a.example/keys', clockTolerance: 5 }, /option "clockTolerance".*'5s'/],
    ['revocations without an address', { ...JWKS, revocations: {} }, /option "revocations" needs "url"/],
    [
      'an address that is not set',
      { ...JWKS, revocations: { url: undefined, token: 'x' } },
      /option "revocations.url" is present but undefined/,
    ],
    [
      'a path for revocations',
      { ...JWKS, revocations: { url: '/session/revocations', token: 'x' } },
      /"revocations.url"/,
    ],
    [
      'an address with a password',
      { ...JWKS, revocations: { url: 'https://a:b@a.example/', token: 'x' } },
      /option "revocations.url": write the whole address without a password/,
    ],
    ['no token', { ...JWKS, revocations: REVOCATIONS }, /option "revocations.token" is missing/],
    [
      'a token that is not set',
      { ...JWKS, revocations: { ...REVOCATIONS, token: undefined } },
      /option "revocations.token" is present but undefined/,
    ],
    ['a token of two lines', { ...JWKS, revocations: { ...REVOCATIONS, token: 'a\nb' } }, /option "revocations.token"/],
    [
      'a long staleness',
      { ...JWKS, revocations: { ...REVOCATIONS, token: 'x', maxStaleness: '1h' } },
      /option "revocations.maxStaleness": write '10m' or less/,
    ],
    [
      'another way to be stale',
      { ...JWKS, revocations: { ...REVOCATIONS, token: 'x', onStale: 'ignore' } },
      /option "revocations.onStale": write one of refuse, accept/,
    ],
    [
      'a misspelt one of revocations',
      { ...JWKS, revocations: { ...REVOCATIONS, token: 'x', maxStalenes: '1m' } },
      /did you mean "revocations.maxStaleness"/,
    ],
  ])('are refused at start: %s', async (_name, options, message) => {
    const started = startVerifier('express', SessionVerifierModule.forRoot(options));
    await expect(started).rejects.toThrow(message);
    await expect(started).rejects.toThrow('SessionVerifierModule cannot start');
  });

  it('with NODE_ENV=production addresses are https, but those of the same machine', () => {
    const resolve = (keys: string, url: string, environment = { NODE_ENV: 'production' }) =>
      resolveVerifierOptions({ jwksUri: keys, revocations: { url, token: 'x' } }, environment);
    const [secure, plain] = ['https://auth.example.com/a', 'http://auth.example.com/a'];
    expect(() => resolve(plain, secure)).toThrow(
      /option "jwksUri": with NODE_ENV=production write an address of https/,
    );
    expect(() => resolve(secure, plain)).toThrow(/option "revocations.url": with NODE_ENV=production/);
    expect(resolve(secure, secure).revocations.maxStaleness).toBe(30_000);
    expect(resolve(plain, plain, { NODE_ENV: 'test' }).revocations.onStale).toBe('refuse');
    for (const host of ['localhost', '127.0.0.1:3000', '[::1]:3000']) resolve(`http://${host}/a`, `http://${host}/b`);
  });

  it.each([
    ['no audience', { issuer: 'https://issuer.example' }, 1],
    ['no issuer', { audience: 'garden' }, 1],
    ['both', { issuer: 'https://issuer.example', audience: 'garden' }, 0],
  ])('RFC 9068: with %s there is a warning, once', async (_name, options, times) => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const { app } = await startVerifier('express', SessionVerifierModule.forRoot({ sharedSecret: SHARED, ...options }));
    await app.close();
    const warnings = warn.mock.calls.filter(([message]) => String(message).includes('RFC 9068'));
    warn.mockRestore();
    expect(warnings).toHaveLength(times);
  });

  it('forRootAsync says what it needs', () => {
    expect(() => SessionVerifierModule.forRootAsync({})).toThrow(/needs one of useFactory, useClass and useExisting/);
  });

  it('F18: sharedSecret takes tokens by HS256, and those of no other secret', async () => {
    const accessToken = { algorithm: 'HS256' } as const;
    const sharing = await startTestApp({ session: { accessToken, keys: { signingKey: SHARED } } });
    try {
      expect(await answerOf(SessionVerifierModule.forRoot({ sharedSecret: SHARED }), sharing)).toBe(200);
      const other = SessionVerifierModule.forRoot({ sharedSecret: SHARED.toUpperCase() });
      expect(await answerOf(other, sharing)).toBe('access_token_invalid');
      const byKeys = SessionVerifierModule.forRoot({ jwksUri: `${sharing.url}/.well-known/jwks.json` });
      expect(await answerOf(byKeys, sharing)).toBe('access_token_invalid');
    } finally {
      await sharing.close();
    }
  });

  it('F27: encrypted tokens are for the issuing application alone', async () => {
    const encrypting = await startTestApp({ session: { accessToken: { encryption: 'A256GCM' } } });
    try {
      const module = SessionVerifierModule.forRoot({ jwksUri: `${encrypting.url}/.well-known/jwks.json` });
      expect(await answerOf(module, encrypting)).toBe('access_token_invalid');
    } finally {
      await encrypting.close();
    }
  });
});
