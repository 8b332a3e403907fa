import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AccessTokenInvalidError, SessionError } from 'nestjs-jwt-session';
import { GENERATED_ALGORITHMS } from '../../lib/options/token-options.js';
import { jws, type Members, partsOf, segment, signed } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { ECDSA_VECTORS, mirrored } from './ecdsa-vectors.js';
import { expectAlive, expectAllRefused, expectRefused, openTarget, type Target } from './hardening.js';
import { HEADER_VECTORS } from './header-vectors.js';
import { lookAlikes, neighbours } from './mutations.js';
import { ODD_CLAIMS, PAYLOAD_VECTORS } from './payload-vectors.js';
import { handMade, RSA_VECTORS_OF } from './rsa-vectors.js';

const SIGNATURE_VECTORS = { ES256: ECDSA_VECTORS, ES384: ECDSA_VECTORS, ...RSA_VECTORS_OF };

describe.each(GENERATED_ALGORITHMS)('hostile %s tokens', algorithm => {
  let target: Target;
  beforeAll(async () => {
    target = await openTarget(algorithm);
  });
  afterAll(() => target?.test.close());

  it.each([
    ...HEADER_VECTORS,
    // What follows a right signature is the same for all.
    ...(algorithm === 'ES256' ? PAYLOAD_VECTORS : []),
    ['J01: J05: a signature with wrong values, of a wrong length or encoding', SIGNATURE_VECTORS[algorithm]] as const,
  ])('%s is refused without a query', (_name, vectors) => expectRefused(target, vectors));

  it('J05: odd claims that are ours are accepted, spelled as we spell them', async () => {
    const { header, payload, own } = target.workshop;
    const verified = await target.test.sessions.verify(jws(header, { ...payload, ...ODD_CLAIMS }, own));
    expect(verified.claims).toEqual({ role: 'user', ...ODD_CLAIMS });
    const prototype = JSON.stringify(payload).replace('{', '{"__proto__":{"role":"admin"},');
    const { claims } = await target.test.sessions.verify(jws(header, prototype, own));
    expect(claims).toEqual({ role: 'user' });
    expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
  });

  it('J05: claims nested as deeply as fits are read, and harm nobody', async () => {
    const { header, payload, own } = target.workshop;
    const json = JSON.stringify({ ...payload, x: 0 }).replace('"x":0', `"x":${'['.repeat(2_600)}${']'.repeat(2_600)}`);
    const token = jws(header, json, own);
    expect(token.length).toBeLessThanOrEqual(8_192);
    await expect(target.test.sessions.verify(token)).resolves.toMatchObject({ userId: 'ada' });
  });

  it('J03: times at the edge of what there is: the past is expired, the far future is not', async () => {
    const { header, payload, own } = target.workshop;
    const verify = (change: Members) => target.test.sessions.verify(jws(header, { ...payload, ...change }, own));
    await expect(verify({ auth_time: 0 })).resolves.toMatchObject({ authenticatedAt: new Date(0) });
    // No token lives for longer than `accessToken.lifetime`, whatever its `exp` says.
    await expect(verify({ iat: 0 })).rejects.toMatchObject({ errorCode: 'access_token_expired' });
    await expect(verify({ exp: 0 })).rejects.toMatchObject({ errorCode: 'access_token_expired' });
    await expect(verify({ exp: payload.iat })).rejects.toMatchObject({ errorCode: 'access_token_expired' });
    await expect(verify({ session_exp: 8_640_000_000_000 })).resolves.toMatchObject({ userId: 'ada' });
    await expect(verify({ nbf: 8_640_000_000_001 })).rejects.toThrow(AccessTokenInvalidError);
    await expect(verify({ nbf: -1 })).resolves.toMatchObject({ userId: 'ada' });
  });

  it('J05: 8,192 characters are read, and not one more', async () => {
    const { header, payload, own } = target.workshop;
    const sized = (filler: number) =>
      signed(`${segment(header)}.${segment({ ...payload, filler: 'x'.repeat(filler) })}`, own);
    let filler = Math.floor(((8_192 - sized(0).length) * 3) / 4) - 2;
    while (sized(filler + 1).length <= 8_192) filler++;
    expect(sized(filler).length).toBeGreaterThan(8_189);
    await expect(target.test.sessions.verify(sized(filler))).resolves.toMatchObject({ userId: 'ada' });
    await expectRefused(target, [['one more', () => sized(filler + 1)]]);
  });

  it('J05: a token that is wrong in a single bit or character is refused, at any place', () =>
    expectAllRefused(target, neighbours(target.workshop.genuine)));

  it('J05: a token with a character that looks like another, or like nothing, is refused', () =>
    expectAllRefused(target, lookAlikes(target.workshop.genuine)));

  it('J05: the segments of two genuine tokens make no third', async () => {
    const { accessToken } = await target.logInAsGrace();
    const [ada, grace] = [target.workshop.genuine, accessToken!].map(token => partsOf(token).segments);
    const parts = [...ada!, ...grace!, ''];
    const mixed = parts.flatMap(a => parts.flatMap(b => parts.map(c => [a, b, c].join('.'))));
    await expectAllRefused(
      target,
      mixed.filter(token => token !== target.workshop.genuine && token !== accessToken),
    );
  });

  it('J05: any other text is refused as an invalid token', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(fc.base64String({ maxLength: 60 }), { minLength: 1, maxLength: 5 }).map(parts => parts.join('.')),
      fc.tuple(fc.json(), fc.json(), fc.string()).map(parts => parts.map(part => segment(part)).join('.')),
    );
    await fc.assert(
      fc.asyncProperty(text, token => expectAllRefused(target, [token])),
      { numRuns: 100 },
    );
  });

  it('J03: J05: any signed payload is accepted or refused as a token: nothing else is thrown', async () => {
    const { header, payload, own } = target.workshop;
    const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 });
    const change = fc.dictionary(fc.constantFrom(...Object.keys(payload), 'nbf', 'iss', '__proto__', 'x'), json);
    const place = fc.constantFrom('header', 'payload');
    const taken = await statementsDuring(target.test, () =>
      fc.assert(
        fc.asyncProperty(place, change, async (where, members) => {
          const token =
            where === 'header'
              ? jws({ ...header, ...members }, payload, own)
              : jws(header, { ...payload, ...members }, own);
          const outcome: unknown = await target.test.sessions.verify(token).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toBeInstanceOf(SessionError);
          else expect(where === 'payload' || Object.keys(members).length === 0).toBe(true);
        }),
        { numRuns: 60 },
      ),
    );
    // Claims that are right may raise a version, which is then asked for; keys are reloaded by none.
    expect(taken).not.toContain('jwt_session_key_load');
  });

  if (algorithm === 'ES256' || algorithm === 'ES384') {
    it('J05: n − s is refused in the place of s: a signature has one accepted spelling', async () => {
      const { test, workshop } = target;
      // Without this rule, half of all signatures have the higher s.
      for (let round = 0; round < 16; round++) {
        const { accessToken } = await target.logInAsGrace();
        const mirror = mirrored({ ...workshop, genuine: accessToken! });
        expect(mirror).not.toBe(accessToken);
        await expect(test.sessions.verify(mirror)).rejects.toThrow(AccessTokenInvalidError);
        await expect(test.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'grace' });
      }
    });
  } else {
    it('J05: the control of the blocks made by hand is RS256, and only that', async () => {
      const verified = target.test.sessions.verify(handMade(target.workshop));
      if (algorithm === 'RS256') expect(await verified).toMatchObject({ userId: 'ada' });
      else await expect(verified).rejects.toThrow(AccessTokenInvalidError);
    });
  }

  it('J05: after all of them the application serves on', () => expectAlive(target));
});
