import { createCipheriv, createDecipheriv, createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { ServerKeys } from '../rules/server-keys.js';

const ALGORITHM = 'aes-256-gcm';
const ID_BYTES = 4;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** What a seal binds the private key to: a row in which any of it was changed does not open. */
export interface SealedContext {
  readonly kid: string;
  readonly purpose: string;
  readonly algorithm: string;
  readonly period: number;
  readonly publicJwk: JsonWebKey;
}

/** Seals a private key: secret id(4) · iv(12) · tag(16) · AES-256-GCM of its PKCS #8 form. */
export function sealPrivateKey(privateKey: KeyObject, context: SealedContext, keys: ServerKeys, iv: Buffer): Buffer {
  const cipher = createCipheriv(ALGORITHM, keys.seal, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(context));
  const sealed = [cipher.update(privateKey.export({ type: 'pkcs8', format: 'der' })), cipher.final()];
  return Buffer.concat([Buffer.from(keys.id, 'base64url'), iv, cipher.getAuthTag(), ...sealed]);
}

/** The private key, or undefined where no given secret opens the seal or the row was tampered with. */
export function openPrivateKey(
  sealed: Buffer,
  context: SealedContext,
  secrets: readonly ServerKeys[],
): KeyObject | undefined {
  const sealedUnder = sealed.subarray(0, ID_BYTES).toString('base64url');
  const keys = secrets.find(({ id }) => id === sealedUnder);
  if (!keys) return undefined;
  try {
    const iv = sealed.subarray(ID_BYTES, ID_BYTES + IV_BYTES);
    const tag = sealed.subarray(ID_BYTES + IV_BYTES, ID_BYTES + IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv(ALGORITHM, keys.seal, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(context));
    decipher.setAuthTag(tag);
    const opened = [decipher.update(sealed.subarray(ID_BYTES + IV_BYTES + TAG_BYTES)), decipher.final()];
    return createPrivateKey({ key: Buffer.concat(opened), type: 'pkcs8', format: 'der' });
  } catch {
    // Authentication failed: the row was not written under this secret. The caller says so in its log.
    return undefined;
  }
}

function associatedData({ kid, purpose, algorithm, period, publicJwk }: SealedContext): Buffer {
  // jsonb keeps no order of members, so the public key's are put in one.
  const members = Object.entries(publicJwk).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([kid, purpose, algorithm, period, members]));
}
