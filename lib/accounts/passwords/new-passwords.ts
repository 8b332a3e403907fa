import { Injectable } from '@nestjs/common';
import { PasswordHasher } from './password-hasher.js';
import { PasswordLoad } from './password-load.js';
import { PasswordPolicy } from './password-policy.js';

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
   * @returns the hash of a password that the policy accepts
   * @throws InvalidInputError
   */
  async hash(field: string, password: string, email: string): Promise<string> {
    await this.policy.check(field, password, email);
    return this.load.run(() => this.hasher.hash(password));
  }
}
