import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AccessTokenExpiredError, AccessTokenInvalidError } from 'nestjs-jwt-session';
import { SessionClock } from '../../lib/testing/index.js';
import { FixedClock } from '../support/fixed-clock.js';
import { jws, type Members, partsOf } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { openWorkshop, type Workshop } from './forgeries.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const OWN_CLAIMS = ['access_version', 'branch', 'generation', 'session_exp', 'sid', 'token_version'];
const RFC_CLAIMS = ['auth_time', 'exp', 'iat', 'jti', 'sub'];

const clock = new FixedClock();

function startFixed(session: TestAppOptions['session']): Promise<TestApp> {
  return startTestApp({ session, override: builder => void builder.overrideProvider(SessionClock).useValue(clock) });
}

describe.each([
  ['without issuer and audience', {}],
  ['with both', { issuer: 'https://login.example', audience: 'https://api.example' }],
])('the claims of access tokens %s', (_name, named) => {
  let test: TestApp;
  let workshop: Workshop;
  let iat: number;

  beforeAll(async () => {
    test = await startFixed({ accessToken: { ...named, clockTolerance: '5s' } });
    workshop = await openWorkshop(test, '');
    iat = workshop.payload.iat as number;
  });
  beforeEach(() => {
    clock.time = iat * 1_000;
  });
  afterAll(() => test?.close());

  const withClaims = (change: Members) => jws(workshop.header, { ...workshop.payload, ...change }, workshop.own);
  const expectAccepted = (token: string) =>
    expect(test.sessions.verify(token)).resolves.toMatchObject({ userId: 'ada' });

  async function expectRefused(token: string): Promise<void> {
    const taken = await statementsDuring(test, () =>
      expect(test.sessions.verify(token)).rejects.toThrow(AccessTokenInvalidError),
    );
    expect(taken).toEqual([]);
  }

  it('J04: are those of RFC 9068, our own and the custom ones, and no others', async () => {
    const { header, payload } = partsOf(workshop.genuine);
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.stringMatching(/^[\w-]{43}$/) });
    const expected = [...OWN_CLAIMS, ...RFC_CLAIMS, 'role', ...('issuer' in named ? ['iss', 'aud'] : [])];
    expect(Object.keys(payload).sort()).toEqual(expected.sort());
    expect(payload).toMatchObject({
      sub: 'ada',
      role: 'user',
      sid: expect.stringMatching(UUID),
      jti: expect.stringMatching(UUID),
      generation: 0,
      branch: expect.stringMatching(/^[\w-]{8}$/),
      access_version: 0,
      token_version: 0,
      exp: iat + 600,
      auth_time: iat,
    });
    if ('issuer' in named) expect(payload).toMatchObject({ iss: named.issuer, aud: named.audience });
  });

  it('J04: jti is another one in every token', async () => {
    const { accessToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    expect(partsOf(accessToken!).payload.jti).not.toBe(workshop.payload.jti);
  });

  it('the control: signed by our own key, the same claims are accepted', () => expectAccepted(withClaims({})));

  it.each([...OWN_CLAIMS, ...RFC_CLAIMS])('J03: a token without %s is refused without a query', async name => {
    await expectRefused(withClaims({ [name]: undefined }));
    await expectRefused(withClaims({ [name]: null }));
    await expectRefused(withClaims({ [name]: [workshop.payload[name]] }));
  });

  it.each(['iat', 'exp', 'auth_time', 'session_exp', 'generation', 'access_version', 'token_version'])(
    'J03: %s must be an integer',
    async name => {
      const value = workshop.payload[name] as number;
      for (const wrong of [`${value}`, value + 0.5, true, 2 ** 53, {}])
        await expectRefused(withClaims({ [name]: wrong }));
    },
  );

  it.each(['sub', 'sid', 'jti', 'branch'])('J03: %s must be text', async name => {
    for (const wrong of [7, true, {}]) await expectRefused(withClaims({ [name]: wrong }));
  });

  it('J03: sid must be a session id', async () => {
    for (const sid of ['', 'ada', `${workshop.payload.sid as string}0`]) await expectRefused(withClaims({ sid }));
  });

  it('J03: issuer and audience must be the configured ones, or absent where none is', async () => {
    const iss = [undefined, '', 'https://login.example/', 'HTTPS://LOGIN.EXAMPLE', ['https://login.example'], null, 1];
    const aud = [undefined, '', 'https://other.example', ['https://api.example'], ['https://api.example', 'x'], null];
    // Absent is right where none is configured.
    const first = 'issuer' in named ? 0 : 1;
    for (const wrong of iss.slice(first)) await expectRefused(withClaims({ iss: wrong }));
    for (const wrong of aud.slice(first)) await expectRefused(withClaims({ aud: wrong }));
  });

  it('J03: iat may lie ahead by the tolerance and not by a millisecond more', async () => {
    await expectAccepted(withClaims({ iat: iat + 5 }));
    await expectRefused(withClaims({ iat: iat + 6 }));
    clock.time = iat * 1_000 - 1;
    await expectRefused(withClaims({ iat: iat + 5, note: 'new' }));
  });

  it('J03: nbf, which we do not issue, is held to the same edge', async () => {
    await expectAccepted(withClaims({ nbf: iat }));
    await expectAccepted(withClaims({ nbf: iat + 5 }));
    await expectRefused(withClaims({ nbf: iat + 6 }));
    for (const nbf of [`${iat}`, null, true, {}]) await expectRefused(withClaims({ nbf }));
  });

  it('J03: cnf may name a key that DPoP proves, and nothing else (RFC 7800)', async () => {
    const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
    const bound = test.sessions.verify(await withClaims({ cnf: { jkt } }));
    await expect(bound).rejects.toMatchObject({ errorCode: 'session_key_required' });
    const others = [null, {}, '', [], { jkt: 'x' }, { jkt: 1 }, { jkt, kid: 'x' }, { kid: 'x' }, { 'x5t#S256': jkt }];
    for (const cnf of others) await expectRefused(withClaims({ cnf }));
  });

  it('J03: a token counts until exp to the millisecond, without tolerance, and is told to be expired', async () => {
    const exp = workshop.payload.exp as number;
    clock.time = exp * 1_000 - 1;
    await expectAccepted(workshop.genuine);
    await expectAccepted(withClaims({ note: 'new' }));
    clock.time = exp * 1_000;
    await expect(test.sessions.verify(workshop.genuine)).rejects.toThrow(AccessTokenExpiredError);
    await expect(test.sessions.verify(withClaims({ note: 'newer' }))).rejects.toThrow(AccessTokenExpiredError);
  });

  it('J03: an expired token with a wrong signature is invalid, not expired', async () => {
    clock.time = (workshop.payload.exp as number) * 1_000;
    await expectRefused(workshop.genuine.replace(/.{4}$/, 'AAAA'));
  });
});

describe('the times of access tokens', () => {
  it('scenario 18: a token never outlives its session', async () => {
    const test = await startTestApp({ session: { session: { absoluteLifetime: '11m', idleLifetime: '11m' } } });
    const { refreshToken, expiresIn } = await test.sessions.logIn('ada', { transport: 'bearer' });
    expect(expiresIn).toBe(600);
    await test.clock.advance('5m');
    const refreshed = await test.sessions.refresh({ refreshToken: refreshToken! });
    const { iat, exp, session_exp, auth_time } = partsOf(refreshed.accessToken!).payload as Record<string, number>;
    expect(exp).toBe(session_exp);
    expect(exp! - iat!).toBe(refreshed.expiresIn);
    expect(exp! - auth_time!).toBe(660);
    await test.close();
  });

  it('J03: without a tolerance the future begins at once', async () => {
    const test = await startFixed({ accessToken: { clockTolerance: '0s' } });
    const workshop = await openWorkshop(test, '');
    const iat = workshop.payload.iat as number;
    clock.time = iat * 1_000;
    await expect(test.sessions.verify(workshop.genuine)).resolves.toBeDefined();
    const ahead = jws(workshop.header, { ...workshop.payload, iat: iat + 1 }, workshop.own);
    await expect(test.sessions.verify(ahead)).rejects.toThrow(AccessTokenInvalidError);
    await test.close();
  });
});
