import { Injectable } from '@nestjs/common';
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
import { AccountEditor } from './account-editor.js';

/** From a new address to a verified account. */
@Injectable()
export class Registration {
  constructor(
    private readonly editor: AccountEditor,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** Does the same for known and unknown addresses: one hash, one insert that may change nothing, one queued mail. */
  async register(email: string, password: string, caller: Caller): Promise<void> {
    await this.policy.check('password', password, email);
    await this.attempts.consume('mail', email, caller);
    const account = this.newAccount(email, await this.hasher.hash(password));
    const { passwordHash } = account;
    const isNew = await this.editor.create(account, { kind: 'registration', email, passwordHash });
    if (isNew) this.events.emit({ type: 'account.registered', accountId: account.id });
  }

  async sendVerification(email: string, caller: Caller): Promise<void> {
    await this.attempts.consume('mail', email, caller);
    await this.outbox.send({ kind: 'verification', email });
  }

  /** @throws TokenInvalidError */
  async verify(token: string): Promise<Account> {
    const { account } = await this.editor.redeem(token, 'verify-email', (former, used) => {
      if (used.email !== former.emailKey || former.verifiedAt) throw new TokenInvalidError();
      // The password of the registration that this very mail came from. Somebody else may have registered the address
      // before its owner did, and would otherwise know the password of the owner's account.
      const passwordHash = used.passwordHash ?? former.passwordHash;
      return {
        changes: { verifiedAt: new Date(this.clock.now()), passwordHash },
        endSessions: passwordHash === former.passwordHash ? undefined : { reason: 'verified' },
      };
    });
    this.events.emit({ type: 'account.verified', accountId: account.id });
    return account;
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
