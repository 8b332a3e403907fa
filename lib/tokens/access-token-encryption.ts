import { Injectable } from '@nestjs/common';
import { compactDecrypt, CompactEncrypt } from 'jose';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { hmacSha256, type ServerKeys } from '../rules/server-keys.js';
import { AccessTokenDecryption, ENCRYPTION_HEADER, encryptionOf } from './access-token-decryption.js';
import { base64urlLength } from './base64url.js';

/**
 * Encrypts access tokens where `accessToken.encryption` says so (F27): a JWE (RFC 7516) with a direct key around the
 * signed token. Each signing key has an encryption key of its own, so that one key meets far fewer random IVs than
 * AES-GCM bears (NIST SP 800-38D, section 8.3).
 */
@Injectable()
export class AccessTokenEncryption extends AccessTokenDecryption {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
  ) {
    super();
  }

  /** @param kid the key that has signed the token */
  async seal(token: string, kid: string): Promise<string> {
    if (this.options.accessToken.encryption === 'off') return token;
    const { newest } = this.secrets;
    return new CompactEncrypt(Buffer.from(token))
      .setProtectedHeader({ ...ENCRYPTION_HEADER, kid: `${newest.id}.${kid}` })
      .encrypt(keyFor(kid, newest));
  }

  /** How many characters encryption makes of a signed token of so many. */
  lengthOf(tokenLength: number, kid: string): number {
    if (this.options.accessToken.encryption === 'off') return tokenLength;
    const header = JSON.stringify({ ...ENCRYPTION_HEADER, kid: `${this.secrets.newest.id}.${kid}` });
    const [iv, tag, dots] = [16, 22, 4];
    return base64urlLength(header.length) + iv + base64urlLength(tokenLength) + tag + dots;
  }

  /** Whatever the option says now: what was encrypted yesterday is read today, and what was not, too. */
  override async open(token: string): Promise<string | undefined> {
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
  return hmacSha256(encryption, Buffer.from(kid));
}
