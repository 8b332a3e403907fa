import { Injectable } from '@nestjs/common';
import { SessionRevokedError } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';
import { AccountStore } from '../store/account.store.js';
import { AccountEditor } from './account-editor.js';

/** Changes the address of an account. The former address is in force until the link to the new one is followed. */
@Injectable()
export class EmailChange {
  constructor(
    private readonly accounts: AccountStore,
    private readonly editor: AccountEditor,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** The answer does not tell whether another account has the address; the owner of that account gets a mail. */
  async request(accountId: string, email: string, caller: Caller): Promise<void> {
    if (!(await this.accounts.findById(accountId))) throw new SessionRevokedError();
    await this.attempts.consume('mail', email, caller);
    await this.outbox.send({ kind: 'email-change', email, accountId });
  }

  /** @throws TokenInvalidError, EmailTakenError */
  async confirm(token: string): Promise<Account> {
    const { account } = await this.editor.redeem(token, 'change-email', (former, { email }) => ({
      changes: { email, emailKey: emailKey(email), verifiedAt: new Date(this.clock.now()) },
      notice: { kind: 'email-changed', email: former.email, accountId: former.id },
    }));
    this.events.emit({ type: 'account.email-changed', accountId: account.id });
    return account;
  }
}
