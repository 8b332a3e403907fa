import { createHash } from 'node:crypto';
import { randomBytes } from '../common/random.js';

const SECRET_BYTES = 32;
const SECRET_FORM = /^[\w-]{43}$/;

/** 256 random bits, as base64url. */
export function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

export function isSecret(text: string): boolean {
  return SECRET_FORM.test(text);
}

/** The database has only the hash. The secret has 256 random bits, so its hash needs neither a salt nor time. */
export function hashOfSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
