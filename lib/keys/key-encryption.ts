import { createCipheriv, createDecipheriv, createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { randomBytes } from '../common/random.js';
import type { KeyPeriod } from '../rules/key-periods.js';
import type { ServerKeys } from '../rules/server-keys.js';

const ALGORITHM = 'aes-256-gcm';
const SECRET_ID_BYTES = 4;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** The data that is authenticated with an encrypted private key: if the row changes any of it, decryption fails. */
export interface KeyContext extends KeyPeriod {
  readonly kid: string;
  readonly purpose: string;
  readonly algorithm: string;
  readonly publicJwk: JsonWebKey;
}

/** Encrypts a private key: secret id(4) · iv(12) · tag(16) · AES-256-GCM of its PKCS #8 form. */
export function encryptPrivateKey(privateKey: KeyObject, context: KeyContext, keys: ServerKeys): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, keys.keyEncryption, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(context));
  const encrypted = [cipher.update(privateKey.export({ type: 'pkcs8', format: 'der' })), cipher.final()];
  return Buffer.concat([Buffer.from(keys.id, 'base64url'), iv, cipher.getAuthTag(), ...encrypted]);
}

/** Decrypts a private key; undefined if it was not encrypted under one of the secrets or its row was changed. */
export function decryptPrivateKey(
  encrypted: Buffer,
  context: KeyContext,
  secrets: readonly ServerKeys[],
): KeyObject | undefined {
  const secretId = encrypted.subarray(0, SECRET_ID_BYTES).toString('base64url');
  const keys = secrets.find(({ id }) => id === secretId);
  if (!keys) return undefined;
  try {
    const iv = encrypted.subarray(SECRET_ID_BYTES, SECRET_ID_BYTES + IV_BYTES);
    const tag = encrypted.subarray(SECRET_ID_BYTES + IV_BYTES, SECRET_ID_BYTES + IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv(ALGORITHM, keys.keyEncryption, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(context));
    decipher.setAuthTag(tag);
    const text = encrypted.subarray(SECRET_ID_BYTES + IV_BYTES + TAG_BYTES);
    const key = Buffer.concat([decipher.update(text), decipher.final()]);
    return createPrivateKey({ key, type: 'pkcs8', format: 'der' });
  } catch {
    // Authentication failed. The caller logs that the key is not used.
    return undefined;
  }
}

function associatedData({ kid, purpose, algorithm, publicJwk, ...key }: KeyContext): Buffer {
  const times = [key.period, key.publishAt, key.signFrom, key.signUntil, key.retireAt];
  // jsonb does not keep the order of members.
  const members = Object.entries(publicJwk).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([kid, purpose, algorithm, times, members]));
}
