import { Injectable } from '@nestjs/common';
import { SessionRevokedError, SessionService, type UserSession } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { InvalidCredentialsError, TokenInvalidError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { AccountTransaction } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { AccountStore } from '../store/account.store.js';
import { LogIn } from './log-in.js';
import { MailTokens } from './mail-tokens.js';

/** Changing a password, and choosing a new one when it is forgotten. */
@Injectable()
export class Passwords {
  constructor(
    private readonly accounts: AccountStore,
    private readonly logIn: LogIn,
    private readonly tokens: MailTokens,
    private readonly outbox: Outbox,
    private readonly sessions: SessionService,
    private readonly attempts: Attempts,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  async change(session: UserSession, current: string, next: string, caller: Caller): Promise<void> {
    const {
      id: accountId,
      email,
      passwordHash: proved,
    } = await this.logIn.requirePassword(session.userId, current, caller);
    await this.policy.check('newPassword', next, email);
    const passwordHash = await this.hasher.hash(next);
    // "Password changed", "links taken back" and "others logged out" commit together.
    const ended = await this.accounts.change(accountId, async (now, transaction) => {
      if (now.disabledAt) throw new SessionRevokedError();
      // Two changes at once: the second has proved a password that is none any more.
      if (now.passwordHash !== proved) throw new InvalidCredentialsError();
      await this.accounts.update(accountId, { passwordHash }, transaction);
      await this.tokens.removeAll(accountId, transaction);
      await this.outbox.add({ kind: 'password-changed', email, accountId }, transaction);
      return this.endSessions(session, transaction, caller);
    });
    if (ended === null) throw new SessionRevokedError();
    this.outbox.kick();
    this.events.emit({ type: 'account.password-changed', accountId, cause: 'change', ended });
  }

  /** The same for known and unknown addresses: who has an account is asked behind the answer. */
  async forgot(email: string, caller: Caller): Promise<void> {
    await this.attempts.take('mail', email, caller);
    await this.outbox.add({ kind: 'recovery', email });
    this.outbox.kick();
  }

  /** Also verifies the address: whoever has the token reads its mail. */
  async reset(token: string, next: string): Promise<void> {
    const found = await this.tokens.find(token, 'reset-password');
    const account = found && (await this.accounts.findById(found.accountId));
    if (!account) throw new TokenInvalidError();
    // Before the token is used up, so that a password that is refused does not cost the link.
    await this.policy.check('password', next, account.email);
    const passwordHash = await this.hasher.hash(next);
    const { id: accountId, email } = account;
    const ended = await this.accounts.change(accountId, async (now, transaction) => {
      const used = await this.tokens.use(token, 'reset-password', transaction);
      if (!used || used.email !== now.emailKey || now.disabledAt) throw new TokenInvalidError();
      const verifiedAt = now.verifiedAt ?? new Date(this.clock.now());
      await this.accounts.update(accountId, { passwordHash, verifiedAt }, transaction);
      await this.tokens.removeAll(accountId, transaction);
      await this.outbox.add({ kind: 'password-changed', email, accountId }, transaction);
      // All of them: whoever needed a reset does not know who else is in.
      return this.sessions.logOutAll(accountId, { ...transaction, reason: 'password-reset' });
    });
    if (ended === null) throw new TokenInvalidError();
    this.outbox.kick();
    // Wrong passwords of somebody else must not keep the owner out any longer.
    await this.attempts.succeeded(email, {});
    this.events.emit({ type: 'account.password-changed', accountId, cause: 'reset', ended });
  }

  private async endSessions(
    session: UserSession,
    transaction: AccountTransaction,
    { exchange }: Caller,
  ): Promise<number> {
    const reason = 'password-changed';
    switch (this.options.password.onChange) {
      case 'end-others':
        return this.sessions.logOutOthers(session, { ...transaction, reason });
      case 'end-all':
        return this.sessions.logOutAll(session.userId, { ...transaction, exchange, reason });
      case 'keep':
        return 0;
    }
  }
}
