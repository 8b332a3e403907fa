import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint } from 'jose';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { AccessTokenInvalidError } from 'nestjs-jwt-session';
import { KeyRing } from '../../lib/keys/key-ring.js';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { publicJwkOf } from '../../lib/keys/key-pair.js';
import { encryptPrivateKey } from '../../lib/keys/key-encryption.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { es256, jws, type Members, partsOf } from '../support/forged-token.js';
import { fetchJwks } from '../support/jwks.js';
import { toMidPeriod } from '../support/mid-period.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { SECRET, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const STRANGER = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const STRANGER_JWK = publicJwkOf(STRANGER);
const STRANGER_KID = await calculateJwkThumbprint(STRANGER_JWK);

describe('a signing key whose row was written by somebody without the secret', () => {
  let apps: TestApps;
  let issuer: TestApp;
  /** A token of the first key, which the tests tamper with, and one of the last, which they leave alone. */
  let victim: string;
  let bystander: string;
  let kids: string[];

  beforeAll(async () => {
    apps = await TestApps.on('express');
    await toMidPeriod(apps.clock);
    issuer = await apps.start(PATIENTLY);
    const logIn = async () => (await issuer.sessions.logIn('ada', { transport: 'bearer' })).accessToken!;
    victim = await logIn();
    for (let key = 0; key < 2; key++) {
      await issuer.sessions.rotateKeys();
      await issuer.advance('1h');
    }
    // The same key lives on; only its tokens have expired.
    victim = reissued(victim);
    bystander = await logIn();
    const rows = await issuer.database.query<{ kid: string }>('SELECT kid FROM jwt_session_key ORDER BY sign_from');
    kids = rows.map(({ kid }) => kid);
    expect(kids).toEqual([partsOf(victim).header.kid, expect.any(String), partsOf(bystander).header.kid]);
    await issuer.database.query('CREATE TABLE backup AS TABLE jwt_session_key');
  });
  afterEach(async () => {
    await issuer.database.query('DELETE FROM jwt_session_key; INSERT INTO jwt_session_key SELECT * FROM backup');
  });
  afterAll(() => apps?.close());

  /** Signed by the first key as of now. */
  function reissued(token: string): string {
    const { header, payload } = partsOf(token);
    const ring = issuer.app.get(KeyRing, { strict: false });
    const { privateKey } = ring.verifying.find(({ kid }) => kid === header.kid)!;
    const iat = Math.floor(apps.clock.now() / 1000);
    return jws(header, { ...payload, iat, exp: iat + 600 }, es256(privateKey));
  }

  /** A process that starts now, and so reads the table. */
  async function fresh(run: (process: TestApp) => Promise<unknown>): Promise<void> {
    await run(await apps.start(PATIENTLY));
  }

  const tamper = (assignment: string, values: unknown[] = []) =>
    issuer.database.query(`UPDATE jwt_session_key SET ${assignment} WHERE kid = '${kids[0]}'`, values);

  /** Also that nothing else has suffered: the JWK Set has exactly what is left of the three keys. */
  async function expectNotTrusted(tokens: string[], left: string[]): Promise<void> {
    await fresh(async ({ sessions, url }) => {
      for (const token of tokens) await expect(sessions.verify(token)).rejects.toThrow(AccessTokenInvalidError);
      await expect(sessions.verify(bystander)).resolves.toMatchObject({ userId: 'ada' });
      const { keys } = await fetchJwks(url);
      expect(keys.map(({ kid }) => kid)).toEqual(left);
      expect(keys).not.toContainEqual(expect.objectContaining({ x: STRANGER_JWK.x }));
    });
  }

  const forged = (kid: string, key: KeyObject = STRANGER) => {
    const { header, payload } = partsOf(bystander);
    return jws({ ...header, kid }, { ...payload, sub: 'grace' }, es256(key));
  };

  it('the control: untouched, all three are trusted by a process that starts now', () =>
    fresh(async ({ sessions, url }) => {
      await expect(sessions.verify(victim)).resolves.toMatchObject({ userId: 'ada' });
      await expect(sessions.verify(bystander)).resolves.toMatchObject({ userId: 'ada' });
      expect((await fetchJwks(url)).keys.map(({ kid }) => kid)).toEqual(kids);
    }));

  it.each<[string, string, unknown[]]>([
    ['kid', 'kid = $1', [STRANGER_KID]],
    ['algorithm', "algorithm = 'ES384'", []],
    ['algorithm, to one of the public key as a secret', "algorithm = 'HS256'", []],
    ['algorithm, to none', "algorithm = 'none'", []],
    ['period', 'period = period + 1', []],
    ['time of publication', "publish_at = publish_at - interval '1h'", []],
    ['start of signing', "sign_from = sign_from + interval '1h'", []],
    ['end of signing', "sign_until = sign_until + interval '1d'", []],
    ['retirement', "retire_at = retire_at + interval '1d'", []],
    ['purpose', "purpose = 'access-token/ES384'", []],
    ['purpose, to another kind of key', "purpose = 'access-token-of-database/ES256'", []],
    ['public key', 'public_jwk = $1', [JSON.stringify(STRANGER_JWK)]],
    ['public key, one coordinate', "public_jwk = jsonb_set(public_jwk, '{x}', to_jsonb($1::text))", [STRANGER_JWK.x]],
    ['public key, a further member', `public_jwk = public_jwk || '{"use":"enc"}'`, []],
    ['public key, a member less', "public_jwk = public_jwk - 'y'", []],
  ])('a changed %s: the key is not trusted', async (_name, assignment, values) => {
    await tamper(assignment, values);
    await expectNotTrusted([victim, forged(kids[0]!), forged(STRANGER_KID)], kids.slice(1));
  });

  it('a changed bit in any part of the seal: the key is not trusted', async () => {
    // Secret id, iv, tag, and the encrypted key from its first byte to its last.
    const bits = [0, 4 * 8, 16 * 8, 32 * 8, 100 * 8].map(
      bit => `set_bit(encrypted_private_key, ${bit}, 1 - get_bit(encrypted_private_key, ${bit}))`,
    );
    const last =
      'set_byte(encrypted_private_key, length(encrypted_private_key) - 1, 255 - get_byte(encrypted_private_key, length(encrypted_private_key) - 1))';
    const others = [
      "''::bytea",
      'substring(encrypted_private_key FROM 1 FOR 32)',
      String.raw`encrypted_private_key || '\x00'::bytea`,
    ];
    for (const seal of [...bits, last, ...others]) {
      await tamper(`encrypted_private_key = ${seal}`);
      await expectNotTrusted([victim], kids.slice(1));
      await tamper(
        'encrypted_private_key = (SELECT b.encrypted_private_key FROM backup b WHERE b.kid = jwt_session_key.kid)',
      );
    }
  });

  it('two seals that were swapped: neither key is trusted', async () => {
    await issuer.database.query(`
      UPDATE jwt_session_key k SET encrypted_private_key = b.encrypted_private_key FROM backup b
      WHERE (k.kid, b.kid) IN (('${kids[0]}', '${kids[1]}'), ('${kids[1]}', '${kids[0]}'))`);
    await expectNotTrusted([victim], kids.slice(2));
  });

  it('a genuine row that was copied under another name: only the genuine one is trusted', async () => {
    await issuer.database.query(`
      INSERT INTO jwt_session_key SELECT 'copy', purpose, algorithm, period + 1, public_jwk, encrypted_private_key,
        publish_at, sign_from, sign_until, retire_at FROM backup WHERE kid = '${kids[0]}'`);
    await fresh(async ({ sessions, url }) => {
      const { payload, header } = partsOf(victim);
      const ring = issuer.app.get(KeyRing, { strict: false });
      const { privateKey } = ring.verifying.find(({ kid }) => kid === kids[0])!;
      const renamed = jws({ ...header, kid: 'copy' }, payload, es256(privateKey));
      await expect(sessions.verify(renamed)).rejects.toThrow(AccessTokenInvalidError);
      await expect(sessions.verify(victim)).resolves.toBeDefined();
      expect((await fetchJwks(url)).keys.map(({ kid }) => kid)).toEqual(kids);
    });
  });

  describe('an inserted key of their own', () => {
    const TIMES = [0, 1, 10_000, 10_001].map(days => Math.floor(Date.now() / 1000 - 86_400 + days * 8_640) * 1000);
    const insert = (seal: Buffer, row: Members = {}) => {
      const { kid = STRANGER_KID, purpose = 'access-token/ES256', algorithm = 'ES256', period = 1 } = row;
      return issuer.database.query(
        `INSERT INTO jwt_session_key VALUES ($1, $2, $3, $4, $5, $6,
           to_timestamp($7), to_timestamp($8), to_timestamp($9), to_timestamp($10))`,
        [kid, purpose, algorithm, period, JSON.stringify(STRANGER_JWK), seal, ...TIMES.map(time => time / 1000)],
      );
    };
    const context = {
      kid: STRANGER_KID,
      purpose: 'access-token/ES256',
      algorithm: 'ES256',
      period: 1,
      publicJwk: STRANGER_JWK,
      publishAt: TIMES[0]!,
      signFrom: TIMES[1]!,
      signUntil: TIMES[2]!,
      retireAt: TIMES[3]!,
    };

    it('the control: encrypted under the secret, it would be trusted', async () => {
      await insert(encryptPrivateKey(STRANGER, context, deriveServerKeys(SECRET)));
      await fresh(({ sessions }) =>
        expect(sessions.verify(forged(STRANGER_KID))).resolves.toMatchObject({ userId: 'grace' }),
      );
    });

    it.each<[string, () => Buffer]>([
      ['not encrypted', () => STRANGER.export({ type: 'pkcs8', format: 'der' })],
      ['with an empty seal', () => Buffer.alloc(0)],
      [
        'encrypted under a secret of theirs',
        () => encryptPrivateKey(STRANGER, context, deriveServerKeys('x'.repeat(32))),
      ],
      [
        'encrypted under a secret of theirs that bears the name of ours',
        () =>
          encryptPrivateKey(STRANGER, context, {
            ...deriveServerKeys('x'.repeat(32)),
            id: deriveServerKeys(SECRET).id,
          }),
      ],
    ])('%s: is neither trusted nor used', async (_name, seal) => {
      await insert(seal());
      await expectNotTrusted([forged(STRANGER_KID)], kids);
      await fresh(async ({ sessions }) => {
        // Nor does it sign, although it began last.
        const { accessToken } = await sessions.logIn('ada', { transport: 'bearer' });
        expect(partsOf(accessToken!).header.kid).toBe(kids[2]);
      });
    });

    it('a server secret of their own beside ours opens nothing', async () => {
      const secret = Buffer.alloc(32, 7);
      const generated = deriveServerKeys(secret.toString('base64url'));
      await insert(secret, { kid: 'server-secret', purpose: 'server-secret', algorithm: 'none', period: 0 });
      await insert(encryptPrivateKey(STRANGER, context, generated));
      await expectNotTrusted([forged(STRANGER_KID)], kids);
    });
  });

  it('keys that cannot be decrypted do not count any more when they are deleted: a running process makes another', async () => {
    await tamper("encrypted_private_key = ''");
    await fresh(async ({ app, url }) => {
      await issuer.database.query('DELETE FROM jwt_session_key');
      await app.get(KeyRotation, { strict: false }).tick();
      expect((await fetchJwks(url)).keys).toHaveLength(1);
    });
  });

  it('R07: the table holds no private key in the clear', async () => {
    const rows = await issuer.database.query<{ encrypted_private_key: Buffer; public_jwk: Members }>(
      'SELECT * FROM jwt_session_key',
    );
    for (const { encrypted_private_key, public_jwk } of rows) {
      expect(Object.keys(public_jwk).sort()).toEqual(['crv', 'kty', 'x', 'y']);
      for (let offset = 0; offset < encrypted_private_key.length - 32; offset++) {
        const key = encrypted_private_key.subarray(offset);
        expect(() => createPrivateKey({ key, type: 'pkcs8', format: 'der' })).toThrow(/asn1|unsupported|DECODER/i);
      }
    }
  });
});
