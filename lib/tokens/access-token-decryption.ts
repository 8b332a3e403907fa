import { isCanonicalBase64url, parseSegment } from './base64url.js';

/** The header of encrypted access tokens, with the names of the server secret and of the signing key as `kid`. */
export const ENCRYPTION_HEADER = { alg: 'dir', enc: 'A256GCM', cty: 'JWT' } as const;

/** Reads encrypted access tokens, where this process can. */
export abstract class AccessTokenDecryption {
  /** The signed token within, or undefined for what this process cannot open. */
  abstract open(token: string): Promise<string | undefined>;
}

/** Whether a token looks encrypted: five segments in place of three. */
export function isEncrypted(token: string): boolean {
  return token.split('.', 6).length === 5;
}

/**
 * The `kid` of an encrypted token in the form in which we issue them, undefined for any other: no compression (`zip`),
 * no other algorithm, no key that a token brings along.
 */
export function encryptionOf(token: string): string | undefined {
  const [header, encryptedKey, ...rest] = token.split('.', 6);
  if (encryptedKey !== '' || rest.length !== 3 || ![header!, ...rest].every(isCanonicalBase64url)) return undefined;
  const { kid, ...members } = parseSegment(header!) ?? {};
  return typeof kid === 'string' && JSON.stringify(members) === JSON.stringify(ENCRYPTION_HEADER) ? kid : undefined;
}
