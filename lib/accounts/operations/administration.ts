import { Injectable } from '@nestjs/common';
import { type Device, SessionService } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';
import { AccountStore } from '../store/account.store.js';
import { MailStore } from '../store/mail.store.js';
import { MailTokens } from './mail-tokens.js';

/** Everything that is stored about an account's owner, without what is secret even to them. */
export interface AccountExport {
  readonly account: Record<string, unknown>;
  readonly sessions: readonly Device[];
}

/** Disabling, deleting, exporting. */
@Injectable()
export class Administration {
  constructor(
    private readonly accounts: AccountStore,
    private readonly tokens: MailTokens,
    private readonly mails: MailStore,
    private readonly outbox: Outbox,
    private readonly sessions: SessionService,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  async disable(accountId: string): Promise<boolean> {
    const ended = await this.accounts.change(accountId, async (account, transaction) => {
      const disabledAt = account.disabledAt ?? new Date(this.clock.now());
      await this.accounts.update(accountId, { disabledAt }, transaction);
      await this.tokens.removeAll(accountId, transaction);
      return this.sessions.logOutAll(accountId, { ...transaction, reason: 'disabled' });
    });
    if (ended !== null) this.events.emit({ type: 'account.disabled', accountId, ended });
    return ended !== null;
  }

  async enable(accountId: string): Promise<boolean> {
    const enabled = await this.accounts.change(accountId, async (_, transaction) => {
      await this.accounts.update(accountId, { disabledAt: null }, transaction);
      return true;
    });
    if (enabled) this.events.emit({ type: 'account.enabled', accountId });
    return enabled === true;
  }

  async setRole(accountId: string, role: string): Promise<boolean> {
    const changed = await this.accounts.change(accountId, async (_, transaction) => {
      await this.accounts.update(accountId, { role }, transaction);
      // Clients refresh at once, and with `AccountClaims` get the new role.
      await this.sessions.invalidateTokens(accountId, 'access', transaction);
      return true;
    });
    if (changed) this.events.emit({ type: 'account.role-changed', accountId, role });
    return changed === true;
  }

  async delete(accountId: string): Promise<boolean> {
    const ended = await this.accounts.change(accountId, async ({ email }, transaction) => {
      await this.tokens.removeAll(accountId, transaction);
      await this.mails.removeAllOf(accountId, transaction);
      await this.accounts.remove(accountId, transaction);
      await this.outbox.add({ kind: 'deleted', email }, transaction);
      return this.sessions.logOutAll(accountId, { ...transaction, reason: 'account-deleted' });
    });
    if (ended === null) return false;
    this.outbox.kick();
    this.events.emit({ type: 'account.deleted', accountId, ended });
    return true;
  }

  async export(accountId: string): Promise<AccountExport | null> {
    const account = await this.accounts.findById(accountId);
    if (!account) return null;
    const { passwordHash: _hash, emailKey: _key, ...stored } = account satisfies Account;
    return { account: stored, sessions: await this.sessions.list(accountId) };
  }
}
