import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { KeyPeriod } from '../rules/key-periods.js';
import type { VerificationKey } from './verification-keys.js';

/** A key that this process can sign with. */
export interface RingKey extends KeyPeriod, VerificationKey {
  readonly privateKey: KeyObject;
  /** Undefined for a secret, which no JWK Set may show. */
  readonly publicJwk?: JsonWebKey;
}

/** Where the key ring has its keys from: the database, or the application. */
export abstract class KeySource {
  /** Every key that could count now; those in `known` are given back as they are. */
  abstract load(known: ReadonlyMap<string, RingKey>): Promise<RingKey[]>;
}
