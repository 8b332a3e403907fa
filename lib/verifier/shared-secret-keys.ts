import { type VerificationKey, VerificationKeys } from '../keys/key-ring.js';
import { importSecret } from '../keys/signing-key-import.js';
import type { SigningKey } from '../options/token-options.js';

/**
 * The secret that this service shares with the issuing application (HS256). A service that verifies with it can also
 * sign.
 */
export class SharedSecretKeys extends VerificationKeys {
  private constructor(private readonly key: VerificationKey) {
    super();
  }

  /** @throws SessionOptionsError if it is not a secret of at least 32 bytes */
  static async of(secret: SigningKey): Promise<SharedSecretKeys> {
    return new SharedSecretKeys(
      await importSecret(secret, { module: 'SessionVerifierModule', option: 'sharedSecret' }),
    );
  }

  async find(kid: string): Promise<VerificationKey | undefined> {
    return kid === this.key.kid ? this.key : undefined;
  }
}
