import {
  createHash,
  createPublicKey,
  generateKeyPair as generateKeyPairWithCallback,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { AccessTokenAlgorithm } from '../options/session-options.js';

const generate = promisify(generateKeyPairWithCallback);

const CURVES = { ES256: 'P-256', ES384: 'P-384' } as const;
const RSA_BITS = 2048;

/** Generates the private key for an algorithm, off the main thread. */
export async function generatePrivateKey(algorithm: AccessTokenAlgorithm): Promise<KeyObject> {
  const { privateKey } =
    algorithm === 'ES256' || algorithm === 'ES384'
      ? await generate('ec', { namedCurve: CURVES[algorithm] })
      : await generate('rsa', { modulusLength: RSA_BITS });
  return privateKey;
}

/** The public members only (RFC 7517). */
export function publicJwkOf(privateKey: KeyObject): JsonWebKey {
  return createPublicKey(privateKey).export({ format: 'jwk' });
}

/** The JWK thumbprint (RFC 7638), which serves as `kid`. */
export function thumbprintOf(jwk: JsonWebKey): string {
  const required = jwk.kty === 'EC' ? ['crv', 'kty', 'x', 'y'] : ['e', 'kty', 'n'];
  const canonical = JSON.stringify(Object.fromEntries(required.map(member => [member, jwk[member]])));
  return createHash('sha256').update(canonical).digest('base64url');
}
