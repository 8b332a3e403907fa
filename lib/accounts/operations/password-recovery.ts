import { Injectable } from '@nestjs/common';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { TokenInvalidError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import { Outbox } from '../mail/outbox.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { AccountEditor } from './account-editor.js';

/** Lets the owner of an address choose a new password, by a link that is sent there. */
@Injectable()
export class PasswordRecovery {
  constructor(
    private readonly editor: AccountEditor,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** Does the same for known and unknown addresses: the mail queue looks the account up after the answer. */
  async request(email: string, caller: Caller): Promise<void> {
    await this.attempts.consume('mail', email, caller);
    await this.outbox.send({ kind: 'recovery', email });
  }

  /** Also verifies the address: whoever has the token reads its mail. */
  async reset(token: string, password: string): Promise<void> {
    // Checked before the token is used up, so that a refused password does not cost the link.
    const { id: accountId, email } = await this.editor.accountOf(token, 'reset-password');
    await this.policy.check('password', password, email);
    const passwordHash = await this.hasher.hash(password);
    const { ended } = await this.editor.redeem(token, 'reset-password', (account, used) => {
      if (used.email !== account.emailKey) throw new TokenInvalidError();
      return {
        changes: { passwordHash, verifiedAt: account.verifiedAt ?? new Date(this.clock.now()) },
        notice: { kind: 'password-changed', email, accountId },
        // All of them: the owner does not know who else is logged in.
        endSessions: { reason: 'password-reset' },
      };
    });
    // Wrong passwords of others must not keep the owner out any longer.
    await this.attempts.succeeded(email, {});
    this.events.emit({ type: 'account.password-changed', accountId, cause: 'reset', ended });
  }
}
