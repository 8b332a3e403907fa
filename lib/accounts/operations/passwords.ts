import { Injectable } from '@nestjs/common';
import { SessionRevokedError, type UserSession } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { TokenInvalidError, TokenUsedError } from '../account.errors.js';
import { languageOf } from '../account.language.js';
import { AccountEvents } from '../account.events.js';
import { Outbox } from '../mail/outbox.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { AccountEditor, type AccountEdit } from './account-editor.js';
import { PasswordCheck, requireSamePassword } from './password-check.js';

/** Changes passwords: of users who know the present one, and by a link that is sent to the owner of the address. */
@Injectable()
export class Passwords {
  constructor(
    private readonly editor: AccountEditor,
    private readonly check: PasswordCheck,
    private readonly newPasswords: NewPasswords,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  async change(session: UserSession, current: string, next: string, caller: Caller): Promise<void> {
    const account = await this.check.requirePassword(session, current, caller);
    const { id: accountId, email } = account;
    const passwordHash = await this.newPasswords.hash('newPassword', next, email);
    const edited = await this.editor.edit(accountId, now => {
      requireSamePassword(account, now);
      return {
        changes: { passwordHash },
        notices: [{ kind: 'password-changed', email, accountId, language: languageOf(caller) }],
        endSessions: this.sessionsToEnd(session, caller),
        // A device on which somebody knew the former password.
        forgetDevices: { except: caller.exchange },
      };
    });
    if (!edited) throw new SessionRevokedError();
    this.events.emit({ type: 'account.password-changed', accountId, cause: 'change', ended: edited.ended });
  }

  /** Does the same for known and unknown addresses: the mail queue looks the account up after the answer. */
  async sendRecovery(email: string, caller: Caller): Promise<void> {
    await this.attempts.consume('mail', { recovery: email }, caller);
    await this.outbox.send({ kind: 'recovery', email, language: languageOf(caller) });
  }

  /** Also verifies the address: the token was read in its mailbox. */
  async reset(token: string, password: string, caller: Caller): Promise<void> {
    const { account, used } = await this.editor.find(token, 'reset-password', caller);
    if (used) throw new TokenUsedError();
    const { id: accountId, email } = account;
    // Hashed before the token is used up, so that a refused password does not cost the link.
    const passwordHash = await this.newPasswords.hash('password', password, email);
    const { ended } = await this.editor.redeem(token, 'reset-password', caller, (now, link) => {
      if (link.email !== now.emailKey) throw new TokenInvalidError();
      return {
        changes: { passwordHash, verifiedAt: now.verifiedAt ?? new Date(this.clock.now()) },
        notices: [{ kind: 'password-changed', email, accountId }],
        // All of them: the owner does not know who else is logged in.
        endSessions: { reason: 'password-reset' },
        forgetDevices: {},
      };
    });
    // Wrong passwords of others must not keep the owner out any longer.
    await this.attempts.succeeded({ email }, {});
    this.events.emit({ type: 'account.password-changed', accountId, cause: 'reset', ended });
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
