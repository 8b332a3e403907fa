import { Injectable } from '@nestjs/common';
import { importSecret } from '../keys/signing-key-import.js';
import { type VerificationKey, VerificationKeys } from '../keys/verification-keys.js';
import type { SigningKey } from '../options/session-options.js';

/** The secret that this service and the issuing application share (HS256). Who verifies with it could sign as well. */
@Injectable()
export class SharedSecretKeys extends VerificationKeys {
  private readonly key: VerificationKey;

  constructor(secret: SigningKey) {
    super();
    this.key = importSecret(secret, { module: 'SessionVerifierModule', option: 'sharedSecret' });
  }

  async find(kid: string): Promise<VerificationKey | undefined> {
    return kid === this.key.kid ? this.key : undefined;
  }
}
