import type { KeyObject } from 'node:crypto';
import { RSA_BITS, signatureBytes } from '../keys/key-pair.js';
import type { AccessTokenAlgorithm } from '../options/token-options.js';

/** The orders of the curves (SEC 2, sections 2.4.2 and 2.5.1). */
const CURVE_ORDERS: Partial<Record<AccessTokenAlgorithm, bigint>> = {
  ES256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ES384: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
};

/**
 * Whether a signature has the one form in which we issue it. OpenSSL accepts others, which would give one token several
 * spellings: a PSS signature without its leading zeros (RFC 8017, section 8.1.2, does not), and both `s` and `n - s` of
 * an ECDSA signature (r, s). RSA keys below 2048 bits are refused (RFC 7518, section 3.3).
 */
export function hasSignatureForm(signature: Buffer, algorithm: AccessTokenAlgorithm, publicKey: KeyObject): boolean {
  if (signature.length !== signatureBytes(algorithm, publicKey)) return false;
  if ((publicKey.asymmetricKeyDetails?.modulusLength ?? RSA_BITS) < RSA_BITS) return false;
  const order = CURVE_ORDERS[algorithm];
  return order === undefined || secondHalf(signature) <= order / 2n;
}

/** A signed token with the lower of the two values that `s` of an ECDSA signature can have. */
export function withLowS(token: string, algorithm: AccessTokenAlgorithm): string {
  const order = CURVE_ORDERS[algorithm];
  if (order === undefined) return token;
  const start = token.lastIndexOf('.') + 1;
  const signature = Buffer.from(token.slice(start), 'base64url');
  const s = secondHalf(signature);
  if (s <= order / 2n) return token;
  const half = signature.length / 2;
  signature.write((order - s).toString(16).padStart(half * 2, '0'), half, 'hex');
  return token.slice(0, start) + signature.toString('base64url');
}

function secondHalf(signature: Buffer): bigint {
  return BigInt(`0x${signature.toString('hex', signature.length / 2)}`);
}
