import { Injectable } from '@nestjs/common';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { PasswordMismatchError, TokenInvalidError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { RegistrationStore, type StoredRegistration } from '../store/registration.store.js';
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
 * | password that comes with the link           | outcome                                                   |
 * | ------------------------------------------- | --------------------------------------------------------- |
 * | the latest registration's, before any login | verified, with the password and fields of it              |
 * | the account's                               | verified                                                  |
 * | a new one                                   | verified, with this password; the other fields are kept   |
 * | any other                                   | `password_mismatch`, and the link stays valid             |
 *
 * Another password than the account's ends its sessions.
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

  /** @throws PasswordMismatchError, InvalidInputError, TokenInvalidError, TokenUsedError, TooManyAttemptsError */
  async verify(token: string, given: VerificationPassword, caller: Caller): Promise<Account> {
    const { account: former, used } = await this.editor.find(token, 'verify-email', caller);
    const { passwordHash, fields } = used ? { passwordHash: former.passwordHash } : await this.chosenBy(former, given);
    const { account, isNew } = await this.editor.redeem(
      token,
      'verify-email',
      caller,
      (now, link) => {
        const hasChanged = now.passwordHash !== former.passwordHash || (now.firstLogInAt && !former.firstLogInAt);
        if (hasChanged || link.email !== now.emailKey || now.verifiedAt) throw new TokenInvalidError();
        return {
          changes: { ...fields, verifiedAt: new Date(this.clock.now()), passwordHash },
          // Sessions and devices of somebody who knew only the former password.
          ...(passwordHash === now.passwordHash ? {} : { endSessions: { reason: 'verified' }, forgetDevices: {} }),
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

  /** The password that shall be in force, and the fields of the application that came with it. */
  private async chosenBy(
    account: Account,
    { password = '', newPassword }: VerificationPassword,
  ): Promise<Pick<Account, 'passwordHash'> & Partial<StoredRegistration>> {
    if (newPassword !== undefined)
      return { passwordHash: await this.newPasswords.hash('newPassword', newPassword, account.email) };
    const registered = account.firstLogInAt ? undefined : await this.registrations.find(account.emailKey);
    if (registered && (await this.hasher.verify(registered.passwordHash, password))) return registered;
    if (await this.hasher.verify(account.passwordHash, password)) return { passwordHash: account.passwordHash };
    throw new PasswordMismatchError();
  }
}
