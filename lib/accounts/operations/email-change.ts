import { Injectable } from '@nestjs/common';
import { SessionRevokedError } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import { TokenInvalidError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';
import { AccountStore } from '../store/account.store.js';
import { MailTokens } from './mail-tokens.js';

/** A new address counts once its mail was read; until then the former one does. */
@Injectable()
export class EmailChange {
  constructor(
    private readonly accounts: AccountStore,
    private readonly tokens: MailTokens,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** Whether the address is another account's is not told here: that one's owner gets a mail instead. */
  async request(accountId: string, email: string, caller: Caller): Promise<void> {
    if (!(await this.accounts.findById(accountId))) throw new SessionRevokedError();
    await this.attempts.take('mail', email, caller);
    await this.outbox.add({ kind: 'email-change', email, accountId });
    this.outbox.kick();
  }

  /** @throws TokenInvalidError, EmailTakenError */
  async confirm(token: string): Promise<Account> {
    const found = await this.tokens.find(token, 'change-email');
    const changed =
      found &&
      (await this.accounts.change(found.accountId, async (account, transaction) => {
        const used = await this.tokens.use(token, 'change-email', transaction);
        if (!used || account.disabledAt) throw new TokenInvalidError();
        const verifiedAt = new Date(this.clock.now());
        const changes = { email: used.email, emailKey: emailKey(used.email), verifiedAt };
        await this.accounts.update(account.id, changes, transaction);
        // Links that went to the former address lead nowhere now.
        await this.tokens.removeAll(account.id, transaction);
        const notice = { kind: 'email-changed', email: account.email, accountId: account.id } as const;
        await this.outbox.add(notice, transaction);
        return { ...account, ...changes };
      }));
    if (!changed) throw new TokenInvalidError();
    this.outbox.kick();
    this.events.emit({ type: 'account.email-changed', accountId: changed.id });
    return changed;
  }
}
