import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionVerifierHealthIndicator, SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { send } from '../support/client.js';
import { es256, hs256, jws, ownKey, partsOf } from '../support/forged-token.js';
import { KeySetServer } from '../support/key-set-server.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { startVerifier, type VerifierApp } from '../support/verifier-app.js';

const [issuer, audience] = ['https://issuer.example', 'everybody'];

describe.each(PLATFORMS)('F17, F18: a service that verifies by the public keys alone, on %s', platform => {
  let issuing: TestApp;
  let keySets: KeySetServer;
  let service: VerifierApp;
  beforeAll(async () => {
    issuing = await startTestApp({ platform, session: { accessToken: { issuer, audience } } });
    keySets = await KeySetServer.inFrontOf(issuing);
    const { jwksUri } = keySets;
    service = await startVerifier(
      platform,
      SessionVerifierModule.forRoot({ jwksUri, issuer, audience }),
      issuing.clock,
    );
  });
  afterAll(async () => {
    await service?.app.close();
    await keySets?.close();
    await issuing?.close();
  });

  const logIn = (userId = 'ada') => issuing.sessions.logIn(userId, { claims: { role: 'admin' } });

  const ask = (token: string, path = '/me') =>
    send(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}` } });

  const codeOf = async (token: string, path?: string) => (await ask(token, path)).body.errorCode;

  /** The genuine token with the given parts changed, signed by any key. */
  async function forged(header: object, sign = es256(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)) {
    const parts = partsOf((await logIn()).accessToken!);
    return jws({ ...parts.header, ...header }, parts.payload, sign);
  }

  it('refuses a token with a cnf that it cannot check, and one of DPoP without a proof (RFC 7800)', async () => {
    const { header, payload } = partsOf((await logIn()).accessToken!);
    const sign = es256(ownKey(issuing).privateKey);
    expect((await ask(jws(header, payload, sign))).status).toBe(200);
    expect(await codeOf(jws(header, { ...payload, cnf: { jkt: 'x' } }, sign))).toBe('access_token_invalid');
    const cnf = { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' };
    expect(await codeOf(jws(header, { ...payload, cnf }, sign))).toBe('session_key_required');
  });

  it('is up without revocations that it could miss', () => {
    const indicator = service.app.get(SessionVerifierHealthIndicator);
    expect(indicator.isHealthy('sessions')).toEqual({ sessions: { status: 'up' } });
  });

  it('knows the session of a bearer token, and its claims', async () => {
    const { session, accessToken } = await logIn();
    const { status, body, headers } = await ask(accessToken!);
    expect([status, body]).toEqual([200, { sessionId: session.id, userId: 'ada', claims: { role: 'admin' } }]);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('knows that of a cookie, and refuses what pages of other sites do with it (X01)', async () => {
    const { accessToken } = await logIn();
    const cookie = `__Host-Http-access_token=${accessToken}`;
    expect((await send(`${service.url}/me`, { headers: { cookie } })).body.userId).toBe('ada');
    const act = (site: string) =>
      send(`${service.url}/act`, { method: 'POST', headers: { cookie, 'sec-fetch-site': site } });
    expect((await act('same-origin')).status).toBe(200);
    expect((await act('cross-site')).body.errorCode).toBe('csrf_rejected');
  });

  it('asks for a login where there are no credentials, and for none on public routes', async () => {
    const { status, body, headers } = await send(`${service.url}/me`);
    expect([status, body.errorCode, headers.get('www-authenticate')]).toEqual([401, 'session_missing', 'Bearer']);
    expect((await send(`${service.url}/public`)).status).toBe(200);
    expect((await send(`${service.url}/optional`)).status).toBe(200);
    expect(await codeOf('junk', '/optional')).toBe('access_token_invalid');
  });

  it('J01: refuses what another key has signed, or none, or the public one as a secret', async () => {
    const jwks = await (await fetch(`${issuing.url}/.well-known/jwks.json`)).text();
    for (const token of [
      await forged({}),
      await forged({ alg: 'none' }, () => Buffer.alloc(0)),
      await forged({ alg: 'HS256' }, hs256(jwks)),
      await forged({ jku: keySets.jwksUri }),
    ]) {
      expect(await codeOf(token)).toBe('access_token_invalid');
    }
  });

  it('J03: refuses an expired token, and says that refreshing helps', async () => {
    const { accessToken } = await logIn();
    await issuing.advance('10m');
    expect(await codeOf(accessToken!)).toBe('access_token_expired');
  });

  it('S13: asks for a recent login where the handler does', async () => {
    const { refreshToken } = await logIn();
    await issuing.advance('6m');
    const { accessToken } = await issuing.sessions.refresh({ refreshToken: refreshToken! });
    expect(await codeOf(accessToken!)).toBeUndefined();
    expect(await codeOf(accessToken!, '/recent')).toBe('insufficient_user_authentication');
    expect(await codeOf((await logIn()).accessToken!, '/recent')).toBeUndefined();
  });

  it('J07: follows the rotation of keys, and forgets one that the issuer distrusts', async () => {
    const before = (await logIn()).accessToken!;
    expect(await codeOf(before)).toBeUndefined();
    await issuing.sessions.rotateKeys({ distrust: true });
    // Longer than an unknown key must wait for the next look.
    await sleep(1_100);
    expect(await codeOf((await logIn()).accessToken!)).toBeUndefined();
    expect(await codeOf(before)).toBe('access_token_invalid');
  });

  it('asks for the keys once, and not for every made-up name of one', async () => {
    await sleep(1_100);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => logIn()));
    await Promise.all(tokens.map(({ accessToken }) => ask(accessToken!)));
    const fetched = keySets.fetched;
    await Promise.all(tokens.map(({ accessToken }) => ask(accessToken!)));
    expect(keySets.fetched).toBe(fetched);
    const made = await Promise.all(Array.from({ length: 20 }, (_, index) => forged({ kid: `made up ${index}` })));
    const begun = performance.now();
    expect(new Set(await Promise.all(made.map(token => codeOf(token))))).toEqual(new Set(['access_token_invalid']));
    const seconds = (performance.now() - begun) / 1_000;
    expect(keySets.fetched - fetched).toBeLessThanOrEqual(1 + Math.ceil(seconds));
    expect(keySets.fetched - fetched).toBeLessThan(made.length / 2);
  });

  it('J03, J04: refuses genuine tokens that are meant for others', async () => {
    const { jwksUri } = keySets;
    for (const options of [{ issuer }, { audience }, { issuer, audience: 'others' }, {}]) {
      const other = await startVerifier(
        platform,
        SessionVerifierModule.forRoot({ jwksUri, ...options }),
        issuing.clock,
      );
      const headers = { authorization: `Bearer ${(await logIn()).accessToken}` };
      expect((await send(`${other.url}/me`, { headers })).body.errorCode).toBe('access_token_invalid');
      await other.app.close();
    }
  });

  it('starts before the issuing application, answers 503 until there are keys, and then as usual', async () => {
    const { jwksUri } = keySets;
    keySets.isDown = true;
    const module = SessionVerifierModule.forRoot({ jwksUri, issuer, audience });
    const early = await startVerifier(platform, module, issuing.clock);
    const headers = { authorization: `Bearer ${(await logIn()).accessToken}` };
    const refused = await send(`${early.url}/me`, { headers });
    keySets.isDown = false;
    expect([refused.status, refused.body.errorCode]).toEqual([503, 'session_store_unavailable']);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await send(`${early.url}/me`, { headers })).status).toBe(200);
    await early.app.close();
  });
});
