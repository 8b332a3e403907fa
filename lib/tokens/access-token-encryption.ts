import { Injectable } from '@nestjs/common';
import { compactDecrypt, CompactEncrypt } from 'jose';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ServerKeys } from '../rules/server-keys.js';
import { base64urlLength, isCanonicalBase64url, parseSegment } from './base64url.js';

/** The header of encrypted access tokens, with the names of the server secret and of the signing key as `kid`. */
const ENCRYPTION_HEADER = { alg: 'dir', enc: 'A256GCM', cty: 'JWT' } as const;

/**
 * Encrypts access tokens where `accessToken.encryption` says so (F27): a JWE (RFC 7516) with a direct key around the
 * signed token. Each signing key has an encryption key of its own, so that each key is used with far fewer random IVs
 * than AES-GCM allows (NIST SP 800-38D, section 8.3).
 */
@Injectable()
export class AccessTokenEncryption {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
  ) {}

  /** @param kid the key that has signed the token */
  async seal(token: string, kid: string): Promise<string> {
    if (this.options.accessToken.encryption === 'off') return token;
    const { newest } = this.secrets;
    return new CompactEncrypt(Buffer.from(token))
      .setProtectedHeader({ ...ENCRYPTION_HEADER, kid: `${newest.id}.${kid}` })
      .encrypt(keyFor(kid, newest));
  }

  /** The length of a signed token after encryption, in characters. */
  lengthOf(tokenLength: number, kid: string): number {
    if (this.options.accessToken.encryption === 'off') return tokenLength;
    const header = JSON.stringify({ ...ENCRYPTION_HEADER, kid: `${this.secrets.newest.id}.${kid}` });
    const [iv, tag, dots] = [16, 22, 4];
    return base64urlLength(header.length) + iv + base64urlLength(tokenLength) + tag + dots;
  }

  /**
   * The signed token within; undefined if this process cannot decrypt it. The option does not matter here: tokens that
   * were encrypted before it changed are still valid.
   */
  async open(token: string): Promise<string | undefined> {
    const kid = encryptionOf(token);
    if (kid === undefined) return undefined;
    const [secretId, ...signedBy] = kid.split('.');
    const keys = this.secrets.trusted.find(({ id }) => id === secretId);
    if (!keys) return undefined;
    try {
      const { plaintext } = await compactDecrypt(token, keyFor(signedBy.join('.'), keys));
      return Buffer.from(plaintext).toString();
    } catch {
      // Authentication failed: the token was not made with the secret.
      return undefined;
    }
  }
}

function keyFor(kid: string, { encryption }: ServerKeys): Buffer {
  return encryption.digest(Buffer.from(kid));
}

/** Whether a token looks encrypted: five segments in place of three. */
export function isEncrypted(token: string): boolean {
  return token.split('.', 6).length === 5;
}

/**
 * The `kid` of an encrypted token in the form in which we issue them, undefined for any other: no compression (`zip`),
 * no other algorithm, no key that a token brings along.
 */
function encryptionOf(token: string): string | undefined {
  const [header, encryptedKey, ...rest] = token.split('.', 6);
  if (encryptedKey !== '' || rest.length !== 3 || ![header!, ...rest].every(isCanonicalBase64url)) return undefined;
  const { kid, ...members } = parseSegment(header!) ?? {};
  return typeof kid === 'string' && JSON.stringify(members) === JSON.stringify(ENCRYPTION_HEADER) ? kid : undefined;
}
