import { constants, createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';
import type { AccessTokenAlgorithm } from '../options/session-options.js';

/** The shortest RSA key, in bits (RFC 7518, section 3.3). */
const RSA_BITS = 2048;

/** What node:crypto is told beside the key: ECDSA gives two numbers side by side, PSS takes a salt as long as the hash. */
const ECDSA = { dsaEncoding: 'ieee-p1363' } as const;
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } as const;

const ASYMMETRIC = {
  ES256: { digest: 'sha256', options: ECDSA },
  ES384: { digest: 'sha384', options: ECDSA },
  RS256: { digest: 'sha256', options: {} },
  PS256: { digest: 'sha256', options: PSS },
} as const;

/** The signature over `input`, base64url (RFC 7515, section 5.1; RFC 7518, section 3). */
export function signatureOf(input: string, algorithm: AccessTokenAlgorithm, key: KeyObject): string {
  if (algorithm === 'HS256') return hmac(input, key).toString('base64url');
  const { digest, options } = ASYMMETRIC[algorithm];
  return sign(digest, Buffer.from(input), { key, ...options }).toString('base64url');
}

/**
 * Whether the signature over `input` is the key's (RFC 7515, section 5.2). The algorithm must be the key's own, never what
 * a token says: no `none`, no HMAC with a public key.
 */
export function isSignature(
  signature: Buffer,
  input: string,
  { algorithm, publicKey }: { readonly algorithm: AccessTokenAlgorithm; readonly publicKey: KeyObject },
): boolean {
  if (algorithm === 'HS256') {
    const expected = hmac(input, publicKey);
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  }
  const { modulusLength } = publicKey.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined && modulusLength < RSA_BITS) return false;
  // OpenSSL takes a PSS signature without its leading zeros; RFC 8017, section 8.1.2, does not.
  if (modulusLength !== undefined && signature.length !== Math.ceil(modulusLength / 8)) return false;
  const { digest, options } = ASYMMETRIC[algorithm];
  return verify(digest, Buffer.from(input), { key: publicKey, ...options }, signature);
}

function hmac(input: string, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(input).digest();
}
