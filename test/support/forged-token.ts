import { constants, createHmac, type KeyObject, sign } from 'node:crypto';
import { KeyRing } from '../../lib/keys/key-ring.js';
import type { GeneratedAlgorithm } from '../../lib/options/token-options.js';
import type { TestApp } from './test-app.js';

/** Answers a JWS signing input with the signature's bytes. */
export type Signature = (input: Buffer) => Buffer;

export type Members = Record<string, unknown>;

/** How each algorithm signs (RFC 7518, section 3). */
export const SIGNATURE_PARAMETERS = {
  ES256: { digest: 'sha256', dsaEncoding: 'ieee-p1363' },
  ES384: { digest: 'sha384', dsaEncoding: 'ieee-p1363' },
  RS256: { digest: 'sha256', padding: constants.RSA_PKCS1_PADDING },
  PS256: { digest: 'sha256', padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
} as const;

/** Text and bytes are taken as they are, so that they need not be JSON. */
export type Content = Members | string | Buffer;

/** A compact JWS of the given parts. */
export function jws(header: Content, payload: Content, signature: Signature): string {
  return signed(`${segment(header)}.${segment(payload)}`, signature);
}

/** Appends the signature to a signing input that is already encoded, in whatever form. */
export function signed(input: string, signature: Signature): string {
  return `${input}.${signature(Buffer.from(input)).toString('base64url')}`;
}

export function segment(content: Content): string {
  if (Buffer.isBuffer(content)) return content.toString('base64url');
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)).toString('base64url');
}

/** Header, payload and signature of a token as it came. */
export function partsOf(token: string): { header: Members; payload: Members; segments: [string, string, string] } {
  const segments = token.split('.') as [string, string, string];
  const [header, payload] = segments
    .slice(0, 2)
    .map(part => JSON.parse(Buffer.from(part, 'base64url').toString()) as Members);
  return { header: header!, payload: payload!, segments };
}

/** Signs as the algorithm says. */
export function signatureOf(algorithm: GeneratedAlgorithm, key: KeyObject): Signature {
  const { digest, ...parameters } = SIGNATURE_PARAMETERS[algorithm];
  const signature: Signature = input => sign(digest, input, { key, ...parameters });
  return algorithm === 'ES256' || algorithm === 'ES384' ? lowS(signature) : signature;
}

export function es256(key: KeyObject, dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363'): Signature {
  const signature: Signature = input => sign('sha256', input, { key, dsaEncoding });
  return dsaEncoding === 'der' ? signature : lowS(signature);
}

/** Signs again until `s` is the lower of its two values, as the library issues it. */
function lowS(signature: Signature): Signature {
  return input => {
    for (;;) {
      const made = signature(input);
      if (made[made.length / 2]! < 0x7f) return made;
    }
  };
}

export function rs256(key: KeyObject): Signature {
  return input => sign('sha256', input, key);
}

export function hs256(secret: string | Buffer): Signature {
  return input => createHmac('sha256', secret).update(input).digest();
}

/**
 * The application's own signing key. What it signs has a perfect signature, so that only the check under test can
 * refuse the token.
 */
export function ownKey({ app }: TestApp) {
  return app.get(KeyRing, { strict: false }).requireSigningKey();
}
