import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CanActivate, Injectable } from '@nestjs/common';
import { SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import * as oauth from 'oauth4webapi';
import { calculateThumbprint } from 'dpop';
import { send } from '../support/client.js';
import { DpopClient } from '../support/dpop-client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { startVerifier, type VerifierApp } from '../support/verifier-app.js';

@Injectable()
class OpenGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

const INSECURE = { [oauth.allowInsecureRequests]: true };
const ISSUER = 'https://login.example';
const AUDIENCE = 'https://api.example';

describe.each(PLATFORMS)('DPoP with other services and libraries, on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let service: VerifierApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({
      session: {
        binding: { key: 'prefer' },
        accessToken: { issuer: ISSUER, audience: AUDIENCE },
        verify: { guard: OpenGuard },
      },
    });
    const jwksUri = `${test.url}/.well-known/jwks.json`;
    service = await startVerifier(
      platform,
      SessionVerifierModule.forRoot({ jwksUri, issuer: ISSUER, audience: AUDIENCE }),
      apps.clock,
    );
  });
  afterAll(async () => {
    await service?.app.close();
    await apps?.close();
  });

  async function logIn(): Promise<DpopClient> {
    const client = await DpopClient.of(test.url);
    await client.logIn('ada', { client_id: 'app' });
    return client;
  }

  it('P13: introspection says which key the token is bound to, and leaves the proof to the caller', async () => {
    const { accessToken, keys } = await logIn();
    const { body } = await send(`${test.url}/session/verify`, { method: 'POST', body: { token: accessToken } });
    const jkt = await calculateThumbprint(keys.publicKey);
    expect(body).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt } });
  });

  it('P14: a service that verifies tokens asks for the proof too, for its own address', async () => {
    const { accessToken, keys } = await logIn();
    const client = Object.assign(await DpopClient.of(service.url), { keys, accessToken });
    expect((await client.send('/me')).body).toMatchObject({ userId: 'ada' });
    expect((await client.send('/act', { method: 'POST' })).status).toBe(200);
    const ask = (headers: Record<string, string>) => send(`${service.url}/me`, { headers });
    expect((await ask({ authorization: `Bearer ${accessToken}` })).body.errorCode).toBe('session_key_required');
    const authorization = `DPoP ${accessToken}`;
    expect((await ask({ authorization })).body.errorCode).toBe('key_proof_invalid');
    const dpop = await client.proof('GET', '/me', accessToken);
    expect((await ask({ authorization, dpop })).status).toBe(200);
    expect((await ask({ authorization, dpop })).body.errorCode).toBe('key_proof_invalid');
    const elsewhere = Object.assign(await DpopClient.of(test.url), { keys, accessToken });
    const foreign = await elsewhere.proof('GET', '/me', accessToken);
    expect((await ask({ authorization, dpop: foreign })).body.errorCode).toBe('key_proof_invalid');
    const thief = Object.assign(await DpopClient.of(service.url), { accessToken });
    expect((await thief.send('/me')).body.errorCode).toBe('key_proof_invalid');
  });

  it('P15: oauth4webapi as client is understood, and reads our challenge', async () => {
    const { accessToken, keys } = await logIn();
    const url = new URL(`${test.url}/me`);
    const ask = (pair: oauth.CryptoKeyPair) =>
      oauth.protectedResourceRequest(accessToken, 'GET', url, undefined, undefined, {
        ...INSECURE,
        DPoP: oauth.DPoP({}, pair),
      });
    expect((await ask(keys)).status).toBe(200);
    const refused = await ask(await oauth.generateKeyPair('ES256')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(oauth.WWWAuthenticateChallengeError);
    const [challenge] = (refused as oauth.WWWAuthenticateChallengeError).cause;
    expect(challenge).toMatchObject({
      scheme: 'dpop',
      parameters: { error: 'invalid_dpop_proof', algs: 'ES256 EdDSA Ed25519', error_code: 'key_proof_invalid' },
    });
  });

  it('P15: oauth4webapi as resource server accepts our tokens with the proof, and not without', async () => {
    const client = await logIn();
    const server = { issuer: ISSUER, jwks_uri: `${test.url}/.well-known/jwks.json` };
    const check = (headers: Record<string, string>) =>
      oauth.validateJwtAccessToken(server, new Request(`${test.url}/orders`, { headers }), AUDIENCE, INSECURE);
    const authorization = `DPoP ${client.accessToken}`;
    const dpop = await client.proof('GET', '/orders', client.accessToken);
    expect(await check({ authorization, dpop })).toMatchObject({ sub: 'ada', cnf: { jkt: expect.any(String) } });
    await expect(check({ authorization: `Bearer ${client.accessToken}` })).rejects.toBeInstanceOf(
      oauth.OperationProcessingError,
    );
    const other = Object.assign(await DpopClient.of(test.url), { accessToken: client.accessToken });
    const foreign = await other.proof('GET', '/orders', client.accessToken);
    await expect(check({ authorization, dpop: foreign })).rejects.toBeInstanceOf(oauth.OperationProcessingError);
  });

  it('P16: with nonce required, clients learn the nonce from the refusal and from each answer', async () => {
    const strict = await apps.start({
      session: { binding: { key: 'require' }, keyBinding: { dpop: { nonce: 'required' } } },
    });
    const ada = await DpopClient.of(strict.url);
    const first = await ada.logIn('ada');
    expect([first.status, first.body.errorCode]).toEqual([401, 'key_proof_invalid']);
    expect(first.headers.get('www-authenticate')).toMatch(/^DPoP algs=".*", error="use_dpop_nonce", /);
    ada.nonce = first.headers.get('dpop-nonce')!;
    expect((await ada.logIn('ada')).status).toBe(200);
    expect((await ada.send('/me')).headers.get('dpop-nonce')).toBe(ada.nonce);
    expect((await ada.refresh()).status).toBe(200);

    const DPoP = oauth.DPoP({}, ada.keys);
    const url = new URL(`${strict.url}/me`);
    const ask = () =>
      oauth.protectedResourceRequest(ada.accessToken, 'GET', url, undefined, undefined, { ...INSECURE, DPoP });
    const refused = await ask().catch((error: unknown) => error);
    expect(oauth.isDPoPNonceError(refused)).toBe(true);
    expect((await ask()).status).toBe(200);

    for (const nonce of ['', 'x', Buffer.alloc(16).toString('base64url')]) {
      expect((await Object.assign(ada, { nonce }).send('/me')).status).toBe(401);
    }
  });

  it('P17: behind a proxy that removes a prefix, baseUrls names what clients see', async () => {
    const hidden = await apps.start({ session: { binding: { key: 'prefer' } } });
    const shown = await apps.start({
      session: {
        binding: { key: 'prefer' },
        keyBinding: { dpop: { baseUrls: ['https://api.example/v1/', 'https://api.internal'] } },
      },
    });
    const logInAs = async (app: TestApp, address: string) => {
      const client = await DpopClient.of(address);
      const dpop = await client.proof('POST', '/login');
      const headers = { 'session-transport': 'bearer', dpop };
      return (await send(`${app.url}/login`, { method: 'POST', headers, body: { userId: 'ada' } })).status;
    };
    expect(await logInAs(hidden, 'https://api.example/v1')).toBe(401);
    expect(await logInAs(hidden, hidden.url)).toBe(200);
    expect(await logInAs(shown, 'https://api.example/v1')).toBe(200);
    expect(await logInAs(shown, 'https://API.example:443/v1')).toBe(200);
    expect(await logInAs(shown, 'https://api.internal')).toBe(200);
    for (const other of ['https://api.example', 'http://api.example/v1', shown.url, 'https://api.example/v2']) {
      expect(await logInAs(shown, other)).toBe(401);
    }
  });

  it('P17: behind a trusted proxy with TLS the protocol is that of its clients', async () => {
    const behind = await apps.start({ trustProxy: true, session: { binding: { key: 'prefer' } } });
    const client = await DpopClient.of(behind.url.replace('http:', 'https:'));
    const ask = async (forwarded: Record<string, string>) => {
      const dpop = await client.proof('POST', '/login');
      const headers = { 'session-transport': 'bearer', dpop, ...forwarded };
      return (await send(`${behind.url}/login`, { method: 'POST', headers, body: { userId: 'ada' } })).status;
    };
    expect(await ask({})).toBe(401);
    expect(await ask({ 'x-forwarded-proto': 'https' })).toBe(200);
  });

  it('P16: a nonce counts for its period and the next one', async () => {
    const strict = await apps.start({
      session: {
        binding: { key: 'prefer' },
        keyBinding: { dpop: { nonce: 'required', proofLifetime: '10m' } },
      },
    });
    const ada = await DpopClient.of(strict.url);
    const nonceNow = async () => (await ada.send('/me')).headers.get('dpop-nonce')!;
    ada.nonce = (await ada.logIn('ada')).headers.get('dpop-nonce')!;
    await ada.logIn('ada');
    await strict.advance('30s');
    const next = await nonceNow();
    expect(next).not.toBe(ada.nonce);
    expect((await ada.send('/me')).status).toBe(200);
    await strict.advance('30s');
    expect((await ada.send('/me')).status).toBe(401);
    ada.nonce = next;
    expect((await ada.send('/me')).status).toBe(200);
  });
});
