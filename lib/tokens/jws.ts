import { constants, createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';
import { RSA_BITS, signatureBytes } from '../keys/key-pair.js';
import type { AccessTokenAlgorithm } from '../options/token-options.js';

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
  // OpenSSL takes a PSS signature without its leading zeros; RFC 8017, section 8.1.2, does not.
  if (signature.length !== signatureBytes(algorithm, publicKey)) return false;
  if (algorithm === 'HS256') return timingSafeEqual(signature, hmac(input, publicKey));
  if ((publicKey.asymmetricKeyDetails?.modulusLength ?? RSA_BITS) < RSA_BITS) return false;
  const { digest, options } = ASYMMETRIC[algorithm];
  return verify(digest, Buffer.from(input), { key: publicKey, ...options }, signature);
}

function hmac(input: string, key: KeyObject): Buffer {
  return createHmac('sha256', key).update(input).digest();
}
