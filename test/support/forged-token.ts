import { createHmac, type KeyObject, sign } from 'node:crypto';
import { KeyRing } from '../../lib/keys/key-ring.js';
import type { TestApp } from './test-app.js';

/** Answers a JWS signing input with the signature's bytes. */
export type Signature = (input: Buffer) => Buffer;

export type Members = Record<string, unknown>;

/** A compact JWS of whatever is given; text stands for itself, so that it need not be JSON. */
export function jws(header: Members | string, payload: Members | string, signature: Signature): string {
  return signed(`${segment(header)}.${segment(payload)}`, signature);
}

/** Appends the signature to a signing input that is already encoded, however wrongly. */
export function signed(input: string, signature: Signature): string {
  return `${input}.${signature(Buffer.from(input)).toString('base64url')}`;
}

export function segment(content: Members | string): string {
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

export function es256(key: KeyObject, dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363'): Signature {
  return input => sign('sha256', input, { key, dsaEncoding });
}

export function rs256(key: KeyObject): Signature {
  return input => sign('sha256', input, key);
}

export function hs256(secret: string | Buffer): Signature {
  return input => createHmac('sha256', secret).update(input).digest();
}

/**
 * The application's own signing key. What it signs has a perfect signature, so that only the check under test can refuse
 * the token.
 */
export function ownKey({ app }: TestApp) {
  return app.get(KeyRing, { strict: false }).signing;
}
