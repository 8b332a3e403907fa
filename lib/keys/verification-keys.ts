import type { KeyObject } from 'node:crypto';
import type { AccessTokenAlgorithm } from '../options/session-options.js';

/** A key that tells whether a token is genuine. */
export interface VerificationKey {
  readonly kid: string;
  readonly algorithm: AccessTokenAlgorithm;
  /** The public key; of HS256 the shared secret. */
  readonly publicKey: KeyObject;
}

/** Where the keys come from that tokens are verified with. */
export abstract class VerificationKeys {
  /**
   * The key of a token's `kid`, or undefined where there is none that counts.
   *
   * @param algorithm what the token's header says; a key counts for its own algorithm only
   */
  abstract find(kid: string, algorithm: string): Promise<VerificationKey | undefined>;
}
