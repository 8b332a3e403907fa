import { createPrivateKey, createPublicKey, createSecretKey, type JsonWebKey, KeyObject } from 'node:crypto';
import { SessionOptionsError } from '../options/resolve-options.js';
import type { AccessTokenAlgorithm } from '../options/session-options.js';
import { SERVER_SECRET_BYTES } from '../rules/server-keys.js';
import { CURVES, publicJwkOf, thumbprintOf } from './key-pair.js';
import type { RingKey } from './key-source.js';

type ImportedKey = Pick<RingKey, 'kid' | 'algorithm' | 'privateKey' | 'publicKey' | 'publicJwk'>;

const HERE = { module: 'SessionModule', option: 'keys.signingKey' };
const RSA_BITS = 2048;

/** OpenSSL's names of the curves. */
const NAMED_CURVES: Record<string, string> = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' };

/**
 * Reads what `keys.signingKey` is or has answered: a PEM or a JWK, a `KeyObject`; for HS256 the secret itself.
 *
 * @throws SessionOptionsError for what is no key of the algorithm; nothing of the key stands in the message
 */
export function importSigningKey(given: unknown, algorithm: AccessTokenAlgorithm): ImportedKey {
  if (algorithm === 'HS256') return importSecret(given);
  const privateKey = readPrivateKey(given);
  const mistake = mistakeOf(privateKey, algorithm);
  if (mistake) throw wrong(mistake);
  const publicJwk = publicJwkOf(privateKey);
  const kid = kidOf(given) ?? thumbprintOf(publicJwk);
  return { kid, algorithm, privateKey, publicKey: createPublicKey(privateKey), publicJwk };
}

/**
 * Reads a secret that applications share.
 *
 * @param where it was written, for the message
 * @throws SessionOptionsError
 */
export function importSecret(given: unknown, where = HERE): ImportedKey {
  const secret = readSecret(given);
  if (!secret) {
    throw wrong(
      'for HS256 write the secret that the applications share: a string, a Buffer, an "oct" JWK or a KeyObject',
      where,
    );
  }
  // RFC 7518, section 3.2: a key of at least the size of the hash.
  if (secret.symmetricKeySize! < SERVER_SECRET_BYTES) {
    throw wrong(`for HS256 write a random secret of at least ${SERVER_SECRET_BYTES} bytes`, where);
  }
  const kid = kidOf(given) ?? thumbprintOf(secret.export({ format: 'jwk' }));
  return { kid, algorithm: 'HS256', privateKey: secret, publicKey: secret };
}

function readSecret(given: unknown): KeyObject | undefined {
  if (given instanceof KeyObject) return given.type === 'secret' ? given : undefined;
  // Bytes of a key that others know, as a public one, would let them sign.
  if (typeof given === 'string') return given.includes('-----BEGIN') ? undefined : createSecretKey(given, 'utf8');
  if (Buffer.isBuffer(given)) return createSecretKey(given);
  if (isJwk(given) && given.kty === 'oct' && given.k) return createSecretKey(given.k, 'base64url');
  return undefined;
}

function readPrivateKey(given: unknown): KeyObject {
  if (given instanceof KeyObject) return given;
  try {
    if (isJwk(given)) return createPrivateKey({ key: given, format: 'jwk' });
    if (typeof given === 'string' || Buffer.isBuffer(given)) return createPrivateKey(given);
  } catch {
    // What OpenSSL says of it may quote the key.
    throw wrong('it is no private key that can be read: write a PEM (PKCS #8) without a passphrase, or a private JWK');
  }
  throw wrong('write a private key as a PEM, a JWK or a KeyObject, or a function that returns one');
}

function mistakeOf(key: KeyObject, algorithm: Exclude<AccessTokenAlgorithm, 'HS256'>): string | undefined {
  if (key.type !== 'private') return `it is a ${key.type} key: write the private one`;
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (algorithm === 'ES256' || algorithm === 'ES384') {
    const curve = CURVES[algorithm];
    return namedCurve === NAMED_CURVES[curve] ? undefined : `${algorithm} needs an EC key on the curve ${curve}`;
  }
  const isRsa = key.asymmetricKeyType === 'rsa' && modulusLength! >= RSA_BITS;
  return isRsa ? undefined : `${algorithm} needs an RSA key of at least ${RSA_BITS} bits`;
}

/** A JWK may bring the name under which it is known elsewhere (RFC 7517, section 4.5). */
function kidOf(given: unknown): string | undefined {
  const { kid } = isJwk(given) ? given : {};
  return typeof kid === 'string' && kid !== '' ? kid : undefined;
}

function isJwk(given: unknown): given is JsonWebKey {
  return typeof given === 'object' && given !== null && 'kty' in given && !(given instanceof KeyObject);
}

function wrong(mistake: string, { module, option } = HERE): SessionOptionsError {
  return new SessionOptionsError([`option "${option}": ${mistake}`], module);
}
