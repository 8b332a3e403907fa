import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { GeneratedAlgorithm } from '../../lib/options/token-options.js';

const CURVES = { ES256: 'P-256', ES384: 'P-384' } as const;

/** A private key that an application generated with other tools. */
export function signingKeyFor(algorithm: GeneratedAlgorithm, bits = 2048): KeyObject {
  return algorithm === 'ES256' || algorithm === 'ES384'
    ? generateKeyPairSync('ec', { namedCurve: CURVES[algorithm] }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: bits }).privateKey;
}

/** PKCS #8, or what OpenSSL wrote before it: SEC 1 and PKCS #1. */
export function pemOf(key: KeyObject, form: 'pkcs8' | 'traditional' = 'pkcs8'): string {
  const traditional = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1';
  return key.export({ type: form === 'pkcs8' ? 'pkcs8' : traditional, format: 'pem' }).toString();
}
