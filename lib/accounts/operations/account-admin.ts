import { Injectable } from '@nestjs/common';
import { type KnownDevice, KnownDevices, type SessionExport, SessionService } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { AccountEvents } from '../account.events.js';
import type { Account, AccountChanges } from '../account.types.js';
import { MailTokens } from '../mail/mail-tokens.js';
import { AccountStore } from '../store/account.store.js';
import { AccountEditor } from './account-editor.js';

/** Everything that is stored about an account's owner, except secrets. */
export interface AccountExport {
  readonly account: Record<string, unknown>;
  /** A new address that is not confirmed yet. */
  readonly pendingEmail: string | null;
  /** Those that ended within a day as well. */
  readonly sessions: readonly SessionExport[];
  /** The devices on which a login is not told to the owner. */
  readonly devices: readonly KnownDevice[];
}

/** Disables, enables, deletes and exports accounts, changes roles, and ends sessions by the link of a notice. */
@Injectable()
export class AccountAdmin {
  constructor(
    private readonly accounts: AccountStore,
    private readonly editor: AccountEditor,
    private readonly tokens: MailTokens,
    private readonly sessions: SessionService,
    private readonly devices: KnownDevices,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  find(accountId: string): Promise<Account | null> {
    return this.accounts.findById(accountId);
  }

  async disable(accountId: string): Promise<boolean> {
    const edited = await this.editor.edit(accountId, ({ disabledAt }) => ({
      changes: { disabledAt: disabledAt ?? new Date(this.clock.now()) },
      endSessions: { reason: 'disabled' },
    }));
    if (edited) this.events.emit({ type: 'account.disabled', accountId, ended: edited.ended });
    return edited !== null;
  }

  async enable(accountId: string): Promise<boolean> {
    const enabled = await this.update(accountId, { disabledAt: null });
    if (enabled) this.events.emit({ type: 'account.enabled', accountId });
    return enabled;
  }

  async setRole(accountId: string, role: string): Promise<boolean> {
    const changed = await this.update(accountId, { role });
    if (changed) this.events.emit({ type: 'account.role-changed', accountId, role });
    return changed;
  }

  /**
   * Somebody who changes the address and deletes the account takes the link away that would undo the change. The former
   * addresses that have such a link, or are about to get it, are therefore told of the deletion as well.
   *
   * @param check gets the account as it is now; what it throws keeps the account
   */
  async delete(accountId: string, check: (now: Account) => void = () => undefined): Promise<boolean> {
    const edited = await this.editor.edit(accountId, async (now, transaction) => {
      check(now);
      const emails = new Set([now.email, ...(await this.tokens.formerAddresses(accountId, transaction))]);
      return {
        changes: 'remove',
        notices: [...emails].map(email => ({ kind: 'deleted', email })),
        endSessions: { reason: 'account-deleted' },
      };
    });
    if (edited) this.events.emit({ type: 'account.deleted', accountId, ended: edited.ended });
    return edited !== null;
  }

  async export(accountId: string): Promise<AccountExport | null> {
    const account = await this.accounts.findById(accountId);
    if (!account) return null;
    const { passwordHash: _hash, emailKey: _key, ...stored } = account satisfies Account;
    const pendingEmail = await this.tokens.pendingEmail(accountId);
    const sessions = await this.sessions.export(accountId);
    const devices = await this.devices.list(accountId);
    return { account: stored, pendingEmail, sessions, devices };
  }

  /** @throws TokenInvalidError, TokenUsedError */
  async endReportedSession(token: string): Promise<void> {
    this.events.emit({ type: 'account.sign-in-reported', ...(await this.editor.endSession(token)) });
  }

  /** Clients refresh at once, and with `AccountClaims` receive the new role. */
  private async update(accountId: string, changes: AccountChanges): Promise<boolean> {
    const changed = await this.accounts.change(accountId, async (_, transaction) => {
      await this.accounts.update(accountId, changes, transaction);
      if (changes.role !== undefined) await this.sessions.invalidateTokens(accountId, 'access', transaction);
      return true;
    });
    return changed === true;
  }
}
