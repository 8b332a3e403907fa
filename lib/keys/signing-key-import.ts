import { calculateJwkThumbprint } from 'jose';
import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { SessionOptionsError } from '../common/option-mistakes.js';
import type { AccessTokenAlgorithm } from '../options/token-options.js';
import { SERVER_SECRET_BYTES } from '../rules/server-keys.js';
import { CURVES, publicJwkOf, RSA_BITS } from './key-pair.js';
import type { RingKey } from './key-ring.js';

type ImportedKey = Pick<RingKey, 'kid' | 'algorithm' | 'privateKey' | 'publicKey' | 'publicJwk'>;

const HERE = { module: 'SessionModule', option: 'keys.signingKey' };

/** Printable ASCII only, and short enough to leave room for claims. */
const KID = /^[\x21-\x7e]{1,128}$/;

/** Marks of public keys and of PEM or JSON text given as a secret. */
const NO_SECRET = /-----BEGIN |"kty"|^ssh-/;

/** OpenSSL's names for the curves. */
const NAMED_CURVES: Record<string, string> = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' };

/**
 * Imports the value of `keys.signingKey`, or the result of its function: a PEM, a JWK or a `KeyObject`; for HS256 the
 * secret itself. Imported by hand rather than by `jose`, whose messages do not say what to write instead.
 *
 * @throws SessionOptionsError if it is not a private key of the algorithm; the message holds no part of the key
 */
export async function importSigningKey(given: unknown, algorithm: AccessTokenAlgorithm): Promise<ImportedKey> {
  if (algorithm === 'HS256') return importSecret(given);
  const privateKey = readPrivateKey(given);
  const mistake = mistakeOf(privateKey, algorithm) ?? mistakeInJwk(given, algorithm);
  if (mistake) throw wrong(mistake);
  const publicKey = createPublicKey(privateKey);
  if (!isPair(privateKey, publicKey)) throw wrong('its public members belong to another private key');
  const publicJwk = publicJwkOf(privateKey);
  return {
    kid: kidOf(given) ?? (await calculateJwkThumbprint(publicJwk)),
    algorithm,
    privateKey,
    publicKey,
    publicJwk,
  };
}

/**
 * Imports a secret that applications share (HS256).
 *
 * @param where module and option for the message
 * @throws SessionOptionsError if it is not a secret of at least 32 bytes
 */
export async function importSecret(given: unknown, where = HERE): Promise<ImportedKey> {
  const secret = readSecret(given);
  if (!secret) {
    throw wrong(
      'for HS256 write the secret that the applications share: a string, a Buffer, an "oct" JWK or a KeyObject, and no PEM or public key',
      where,
    );
  }
  const mistake = mistakeInJwk(given, 'HS256');
  if (mistake) throw wrong(mistake, where);
  // RFC 7518, section 3.2: a key of at least the size of the hash.
  if (secret.symmetricKeySize! < SERVER_SECRET_BYTES) {
    throw wrong(`for HS256 write a random secret of at least ${SERVER_SECRET_BYTES} bytes`, where);
  }
  const kid = kidOf(given) ?? (await calculateJwkThumbprint(secret.export({ format: 'jwk' })));
  return { kid, algorithm: 'HS256', privateKey: secret, publicKey: secret };
}

function readSecret(given: unknown): KeyObject | undefined {
  const secret = secretOf(given);
  // With the bytes of a public key as the secret, everybody could sign.
  return secret?.type === 'secret' && !NO_SECRET.test(secret.export().toString('latin1')) ? secret : undefined;
}

function secretOf(given: unknown): KeyObject | undefined {
  if (given instanceof KeyObject) return given;
  if (typeof given === 'string') return createSecretKey(given, 'utf8');
  if (Buffer.isBuffer(given)) return createSecretKey(given);
  // Node ignores characters outside base64url, which other libraries refuse.
  if (isJwk(given) && given.kty === 'oct' && /^[\w-]+$/.test(String(given.k))) {
    return createSecretKey(String(given.k), 'base64url');
  }
  return undefined;
}

function readPrivateKey(given: unknown): KeyObject {
  if (given instanceof KeyObject) return given;
  // OpenSSL's own message ("interrupted or cancelled") does not name the cause.
  if (isText(given) && given.includes('ENCRYPTED')) throw wrong('it is encrypted: write it without a passphrase');
  try {
    if (isJwk(given)) return createPrivateKey({ key: given, format: 'jwk' });
    if (isText(given)) return createPrivateKey(given);
  } catch {
    // OpenSSL's message may quote the key.
    throw wrong('it is not a readable private key: write a PEM (PKCS #8) without a passphrase, or a private JWK');
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

/** Checks `alg`, `use` and `kid` of a JWK (RFC 7517, section 4). */
function mistakeInJwk(given: unknown, algorithm: AccessTokenAlgorithm): string | undefined {
  if (!isJwk(given)) return undefined;
  const { alg = algorithm, use = 'sig', kid = 'none' } = given;
  if (alg !== algorithm) return `the "alg" of the JWK is not "accessToken.algorithm", which is ${algorithm}`;
  if (use !== 'sig') return 'the "use" of the JWK is not "sig"';
  if (typeof kid === 'string' && KID.test(kid)) return undefined;
  return 'the "kid" of the JWK: write 1 to 128 ASCII characters without spaces, or leave it out';
}

/** A JWK may mix the members of two keys; all its signatures would be refused. */
function isPair(privateKey: KeyObject, publicKey: KeyObject): boolean {
  const probe = Buffer.from(HERE.option);
  try {
    return verify('sha256', probe, publicKey, sign('sha256', probe, privateKey));
  } catch {
    // OpenSSL refuses to compute with such a key.
    return false;
  }
}

/** A JWK may bring its own `kid` (RFC 7517, section 4.5). */
function kidOf(given: unknown): string | undefined {
  const { kid } = isJwk(given) ? given : {};
  return typeof kid === 'string' ? kid : undefined;
}

function isText(given: unknown): given is string | Buffer {
  return typeof given === 'string' || Buffer.isBuffer(given);
}

function isJwk(given: unknown): given is JsonWebKey {
  return typeof given === 'object' && given !== null && 'kty' in given && !(given instanceof KeyObject);
}

function wrong(mistake: string, { module, option } = HERE): SessionOptionsError {
  return new SessionOptionsError([`option "${option}": ${mistake}`], module);
}
