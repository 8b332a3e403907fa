import { Injectable } from '@nestjs/common';
import { SessionService } from '../../index.js';
import { uuidV7 } from '../../common/uuid.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import { TokenInvalidError } from '../account.errors.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { AccountDatabase } from '../store/account.database.js';
import { AccountStore } from '../store/account.store.js';
import { MailTokens } from './mail-tokens.js';

/** From a new address to a verified account. */
@Injectable()
export class Registration {
  constructor(
    private readonly database: AccountDatabase,
    private readonly accounts: AccountStore,
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

  /** The same for a known and an unknown address: one hash, one insert that may do nothing, one mail to write. */
  async register(email: string, password: string, caller: Caller): Promise<void> {
    await this.policy.check('password', password, email);
    await this.attempts.take('mail', email, caller);
    const account = this.newAccount(email, await this.hasher.hash(password));
    const isNew = await this.database.transaction(async transaction => {
      const inserted = await this.accounts.insert(account, transaction);
      await this.outbox.add({ kind: 'registration', email, passwordHash: account.passwordHash }, transaction);
      return inserted;
    });
    if (isNew) this.events.emit({ type: 'account.registered', accountId: account.id });
    this.outbox.kick();
  }

  async sendAgain(email: string, caller: Caller): Promise<void> {
    await this.attempts.take('mail', email, caller);
    await this.outbox.add({ kind: 'verification', email });
    this.outbox.kick();
  }

  /** @throws TokenInvalidError */
  async verify(token: string): Promise<Account> {
    const found = await this.tokens.find(token, 'verify-email');
    const verified =
      found &&
      (await this.accounts.change(found.accountId, async (account, transaction) => {
        const used = await this.tokens.use(token, 'verify-email', transaction);
        if (!used || used.email !== account.emailKey || account.verifiedAt || account.disabledAt) {
          throw new TokenInvalidError();
        }
        // The password of the registration that this very mail came from. Somebody else may have registered the address
        // before its owner did, and would otherwise know the password of the owner's account.
        const passwordHash = used.passwordHash ?? account.passwordHash;
        const changes = { verifiedAt: new Date(this.clock.now()), passwordHash };
        await this.accounts.update(account.id, changes, transaction);
        await this.tokens.removeAll(account.id, transaction);
        if (passwordHash !== account.passwordHash) {
          await this.sessions.logOutAll(account.id, { ...transaction, reason: 'verified' });
        }
        return { ...account, ...changes };
      }));
    if (!verified) throw new TokenInvalidError();
    this.events.emit({ type: 'account.verified', accountId: verified.id });
    return verified;
  }

  private newAccount(email: string, passwordHash: string): Account {
    const now = this.clock.now();
    return {
      id: uuidV7(now),
      email,
      emailKey: emailKey(email),
      passwordHash,
      role: this.options.role,
      verifiedAt: null,
      disabledAt: null,
      createdAt: new Date(now),
    };
  }
}
