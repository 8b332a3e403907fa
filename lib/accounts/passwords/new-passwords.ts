import { Injectable } from '@nestjs/common';
import { PasswordHasher } from './password-hasher.js';
import { PasswordLoad } from './password-load.js';
import { PasswordPolicy } from './password-policy.js';

/** Limits that count the choice of a password. */
export interface ChoiceLimits {
  /** Before the policy is asked, which blocks the event loop. */
  before(): Promise<void>;
  /** After the policy has accepted the password. */
  accepted(): Promise<void>;
}

/** Passwords that users choose. */
@Injectable()
export class NewPasswords {
  constructor(
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly load: PasswordLoad,
  ) {}

  /**
   * @param field name of the field in the refusal
   * @param email the address of the password's owner
   * @param limits asked once not too many passwords wait: a refusal counts nowhere
   * @returns the hash of a password that the policy accepts
   * @throws InvalidInputError, what the limits throw, and SessionStoreUnavailableError when too many passwords wait
   */
  hash(field: string, password: string, email: string, limits?: ChoiceLimits): Promise<string> {
    return this.load.run(async () => {
      await limits?.before();
      await this.policy.check(field, password, email);
      await limits?.accepted();
      return this.hasher.hash(password);
    });
  }
}
