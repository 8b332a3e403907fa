import { Injectable } from '@nestjs/common';
import { SessionClock } from '../../common/clock.js';
import { Attempts } from '../account.attempts.js';
import { PasswordMismatchError, TokenInvalidError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { RegistrationStore } from '../store/registration.store.js';
import { AccountEditor } from './account-editor.js';

/** The password that comes with the link: the one of the registration, or a new one. */
export interface VerificationPassword {
  readonly password?: string;
  readonly newPassword?: string;
}

/**
 * Verifies addresses. The link proves who owns the address; it does not prove who chose the password, because anybody
 * can register an address. The owner therefore proves the password as well, or chooses a new one.
 *
 * | password that comes with the link            | outcome                                         |
 * | -------------------------------------------- | ----------------------------------------------- |
 * | the account's                                | verified                                        |
 * | the latest registration's, before any login  | verified, with this password; sessions end      |
 * | a new one                                    | verified, with this password; sessions end      |
 * | any other                                    | `password_mismatch`, and the link stays valid   |
 */
@Injectable()
export class Verification {
  constructor(
    private readonly editor: AccountEditor,
    private readonly registrations: RegistrationStore,
    private readonly newPasswords: NewPasswords,
    private readonly hasher: PasswordHasher,
    private readonly attempts: Attempts,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** @throws PasswordMismatchError, InvalidInputError, TokenInvalidError, TokenUsedError */
  async verify(token: string, given: VerificationPassword): Promise<Account> {
    const { account: former, used } = await this.editor.find(token, 'verify-email');
    const passwordHash = used ? former.passwordHash : await this.passwordFor(former, given);
    const { account, isNew } = await this.editor.redeem(
      token,
      'verify-email',
      (now, link) => {
        const hasChanged = now.passwordHash !== former.passwordHash || (now.firstLogInAt && !former.firstLogInAt);
        if (hasChanged || link.email !== now.emailKey || now.verifiedAt) throw new TokenInvalidError();
        return {
          changes: { verifiedAt: new Date(this.clock.now()), passwordHash },
          // Sessions and devices of somebody who knew only the former password.
          ...(passwordHash === now.passwordHash ? {} : { endSessions: { reason: 'verified' }, forgetDevices: true }),
        };
      },
      (now, link) => now.verifiedAt !== null && link.email === now.emailKey,
    );
    if (isNew) {
      // Wrong passwords of others, also from before the registration, must not keep the owner out.
      await this.attempts.succeeded({ email: account.email }, {});
      this.events.emit({ type: 'account.verified', accountId: account.id });
    }
    return account;
  }

  private async passwordFor(account: Account, { password = '', newPassword }: VerificationPassword): Promise<string> {
    if (newPassword !== undefined) return this.newPasswords.hash('newPassword', newPassword, account.email);
    if (await this.hasher.verify(account.passwordHash, password)) return account.passwordHash;
    const registered = account.firstLogInAt ? undefined : await this.registrations.find(account.emailKey);
    if (registered !== undefined && (await this.hasher.verify(registered, password))) return registered;
    throw new PasswordMismatchError();
  }
}
