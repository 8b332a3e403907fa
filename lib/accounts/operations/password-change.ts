import { Injectable } from '@nestjs/common';
import { SessionRevokedError, type UserSession } from '../../index.js';
import type { Caller } from '../account.attempts.js';
import { InvalidCredentialsError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { AccountEditor, type AccountEdit } from './account-editor.js';
import { PasswordCheck } from './password-check.js';

/** Changes the password of a user who knows the present one. */
@Injectable()
export class PasswordChange {
  constructor(
    private readonly editor: AccountEditor,
    private readonly check: PasswordCheck,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
  ) {}

  async change(session: UserSession, current: string, next: string, caller: Caller): Promise<void> {
    const account = await this.check.requirePassword(session.userId, current, caller);
    const { id: accountId, email } = account;
    await this.policy.check('newPassword', next, email);
    const passwordHash = await this.hasher.hash(next);
    const edited = await this.editor.edit(accountId, now => {
      if (now.disabledAt) throw new SessionRevokedError();
      // Of two changes at once the second has proved a password that is no longer in force.
      if (now.passwordHash !== account.passwordHash) throw new InvalidCredentialsError();
      return {
        changes: { passwordHash },
        notice: { kind: 'password-changed', email, accountId },
        endSessions: this.sessionsToEnd(session, caller),
      };
    });
    if (!edited) throw new SessionRevokedError();
    this.events.emit({ type: 'account.password-changed', accountId, cause: 'change', ended: edited.ended });
  }

  private sessionsToEnd({ id }: UserSession, { exchange }: Caller): AccountEdit['endSessions'] {
    const reason = 'password-changed';
    switch (this.options.password.onChange) {
      case 'end-others':
        return { reason, except: id };
      case 'end-all':
        return { reason, exchange };
      case 'keep':
        return undefined;
    }
  }
}
