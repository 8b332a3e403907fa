import {
  createPublicKey,
  generateKeyPair as generateKeyPairWithCallback,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { AccessTokenAlgorithm, GeneratedAlgorithm } from '../options/token-options.js';

const generate = promisify(generateKeyPairWithCallback);

/** The curve of each ECDSA algorithm (RFC 7518, section 3.4). */
export const CURVES = { ES256: 'P-256', ES384: 'P-384' } as const;

/** Modulus length of generated RSA keys, and the minimum accepted (RFC 7518, section 3.3). */
export const RSA_BITS = 2048;

/** Generates the private key for an algorithm, off the main thread. */
export async function generatePrivateKey(algorithm: GeneratedAlgorithm): Promise<KeyObject> {
  const { privateKey } =
    algorithm === 'ES256' || algorithm === 'ES384'
      ? await generate('ec', { namedCurve: CURVES[algorithm] })
      : await generate('rsa', { modulusLength: RSA_BITS });
  return privateKey;
}

/** The public members of a key as a JWK (RFC 7517). */
export function publicJwkOf(privateKey: KeyObject): JsonWebKey {
  return createPublicKey(privateKey).export({ format: 'jwk' });
}

/** The length of a signature in bytes (RFC 7518, section 3): RSA's modulus, two numbers of the curve, or the hash. */
export function signatureBytes(algorithm: AccessTokenAlgorithm, publicKey: KeyObject): number {
  switch (algorithm) {
    case 'HS256':
      return 32;
    case 'ES256':
      return 64;
    case 'ES384':
      return 96;
    default:
      return Math.ceil(publicKey.asymmetricKeyDetails!.modulusLength! / 8);
  }
}
