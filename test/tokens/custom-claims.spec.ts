import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SessionUsageError } from 'nestjs-jwt-session';
import { TokenBinding } from '../../lib/tokens/token-binding.js';
import type { ServerSecrets } from '../../lib/keys/server-secrets.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { AccessTokenSigner } from '../../lib/tokens/access-token-signer.js';
import { AccessTokenEncryption } from '../../lib/tokens/access-token-encryption.js';
import { generatePrivateKey } from '../../lib/keys/key-pair.js';
import { importSigningKey } from '../../lib/keys/signing-key-import.js';
import type { KeyRing } from '../../lib/keys/key-ring.js';
import { resolveOptions } from '../../lib/options/resolve-options.js';
import type { SessionModuleOptions } from '../../lib/options/session-options.js';
import { type AccessTokenAlgorithm, ALGORITHMS, type GeneratedAlgorithm } from '../../lib/options/token-options.js';
import { REGISTERED_CLAIMS } from '../../lib/tokens/access-token.claims.js';
import { MAX_GENERATION } from '../../lib/rules/refresh-token.js';
import type { SessionRow } from '../../lib/store/sql-fragments.js';
import { partsOf } from '../support/forged-token.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter(value => !value.includes('\0'));
const json = fc
  .jsonValue({ stringUnit: 'binary', maxDepth: 4 })
  // JSON itself writes -0 as 0; what else it can say must come back.
  .map(value => JSON.parse(JSON.stringify(value)) as unknown)
  .filter(value => !JSON.stringify(value).includes('\\u0000'));
const claimName = text.filter(name => !REGISTERED_CLAIMS.has(name));
const claims = fc
  .uniqueArray(fc.tuple(claimName, json), { selector: ([name]) => name, maxLength: 6 })
  .map(entries => Object.fromEntries(entries))
  .filter(value => JSON.stringify(value).length < 3_000);

describe('custom claims', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());

  it('F32: any JSON comes back exactly, from login, from the token and after a refresh', async () => {
    await fc.assert(
      fc.asyncProperty(claims, async given => {
        const issued = await test.sessions.logIn('ada', { transport: 'bearer', claims: given });
        expect(issued.session.claims).toEqual(given);
        expect((await test.sessions.verify(issued.accessToken!)).claims).toEqual(given);
        const refreshed = await test.sessions.refresh({ refreshToken: issued.refreshToken! });
        expect((await test.sessions.verify(refreshed.accessToken!)).claims).toEqual(given);
      }),
      { numRuns: 25 },
    );
  });

  it.each(['toString', 'valueOf', 'hasOwnProperty', '__proto__', '__defineGetter__', 'toJSON'])(
    'F32: a claim named %s, which every object has already, is refused before anything is written',
    async name => {
      const before = await test.database.query('SELECT id FROM jwt_session');
      const given = JSON.parse(`{"${name}":"x"}`) as Record<string, unknown>;
      await expect(test.sessions.logIn('ada', { claims: given })).rejects.toThrow(SessionUsageError);
      expect(await test.database.query('SELECT id FROM jwt_session')).toHaveLength(before.length);
    },
  );

  it('F32: they lie beside the registered ones, where foreign verifiers look', async () => {
    const { accessToken } = await test.sessions.logIn('ada', { transport: 'bearer', claims: { role: 'admin' } });
    expect(partsOf(accessToken!).payload.role).toBe('admin');
  });
});

const row: fc.Arbitrary<SessionRow> = fc.record({
  id: fc.uuid({ version: 7 }),
  user_id: fc.string({ unit: 'binary', minLength: 1, maxLength: 255 }),
  claims,
  token_version: fc.constantFrom(0, 2 ** 31 - 1),
  remember: fc.constantFrom(null, true, false),
  access_version: fc.constantFrom('0', `${Number.MAX_SAFE_INTEGER}`),
  authenticated_ms: fc.constantFrom(Date.UTC(2025, 0), Date.UTC(2125, 0)),
  // A hundred years is the longest duration.
  expires_ms: fc.constantFrom(Date.UTC(2030, 0), Date.UTC(2225, 0)),
  now_ms: fc.constantFrom(Date.UTC(2025, 0), Date.UTC(2125, 0)),
});

const branch = fc.record({
  generation: fc.constantFrom(0, MAX_GENERATION),
  hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes)),
});

const client = fc.record({
  ip: fc.constantFrom(undefined, '2001:db8::1'),
  userAgent: fc.constantFrom(undefined, 'Mozilla/5.0'),
});

/** The signer of an application with these options; it needs neither the application nor a database. */
async function signerWith(given: SessionModuleOptions): Promise<AccessTokenSigner> {
  const options = resolveOptions({ secret: SECRET, ...given }, {});
  const { algorithm } = options.accessToken;
  const signingKey = options.keys.signingKey ?? (await generatePrivateKey(algorithm as GeneratedAlgorithm));
  const key = await importSigningKey(signingKey, algorithm);
  const keys = { requireSigningKey: () => key } as unknown as KeyRing;
  const secrets = { newest: deriveServerKeys(SECRET) } as ServerSecrets;
  const encryption = new AccessTokenEncryption(options, secrets);
  return new AccessTokenSigner(options, keys, new TokenBinding(options, secrets), encryption);
}

/** Keys of the application's own, longer than generated ones; the others are generated. */
const KEYS: Partial<Record<AccessTokenAlgorithm, KeyObject>> = {
  HS256: createSecretKey(Buffer.alloc(32, 1)),
  PS256: generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
};

const keysFor = (algorithm: AccessTokenAlgorithm) => (KEYS[algorithm] ? { signingKey: KEYS[algorithm] } : {});

describe.each(ALGORITHMS)('the length of %s access tokens', algorithm => {
  it.each<[string, SessionModuleOptions]>([
    ['nothing optional', { accessToken: { algorithm }, keys: keysFor(algorithm) }],
    [
      'everything optional',
      {
        accessToken: { algorithm, issuer: 'https://ünïcode.example', audience: '"quoted\\"', encryption: 'A256GCM' },
        keys: keysFor(algorithm),
        binding: { ip: 'always', userAgent: 'always' },
      },
    ],
  ])('C04: is never more than what was reckoned at login, and little less, with %s', async (_name, options) => {
    const signer = await signerWith(options);
    await fc.assert(
      fc.asyncProperty(row, branch, client, async (session, issuedWith, recipient) => {
        const { token } = await signer.sign(session, issuedWith, recipient);
        const reckoned = signer.lengthWith(session.user_id, session.claims);
        expect(token.length).toBeLessThanOrEqual(reckoned);
        // Numbers that are shorter today: more slack would refuse claims that fit.
        expect(reckoned - token.length).toBeLessThan(128);
      }),
      { numRuns: 50 },
    );
  });
});
