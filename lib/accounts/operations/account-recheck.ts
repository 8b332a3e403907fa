import { Injectable } from '@nestjs/common';
import { type IssuedTokens, type LogInOptions, SessionService } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { InvalidCredentialsError } from '../account.errors.js';
import type { Account, AccountChanges } from '../account.types.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { AccountStore } from '../store/account.store.js';
import { PasswordCheck } from './password-check.js';

/**
 * Looks at an account again when a login has created its session. The account may have been disabled, or its password
 * changed, while the login was under way, and that change has ended only the sessions of then. `change` waits for it, so
 * that the later of the two sees the other.
 */
@Injectable()
export class AccountRecheck {
  constructor(
    private readonly accounts: AccountStore,
    private readonly sessions: SessionService,
    private readonly check: PasswordCheck,
    private readonly hasher: PasswordHasher,
    private readonly clock: SessionClock,
  ) {}

  /** @throws InvalidCredentialsError when the account has changed; the session has ended and its cookies are cleared */
  async run(account: Account, password: string, { session }: IssuedTokens, { exchange }: LogInOptions): Promise<void> {
    let isUnchanged: boolean | null = false;
    try {
      isUnchanged = await this.confirm(account, password);
    } finally {
      // Also when the database does not answer: nobody knows then whether the session may live.
      if (!isUnchanged) await this.sessions.logOut(session.id, { exchange, reason: 'account-changed' });
    }
    if (!isUnchanged) throw this.check.refused(new InvalidCredentialsError(), account.id);
  }

  /** Also notes the first login, and hashes the password again where parameters were raised. */
  private async confirm({ id, passwordHash }: Account, password: string): Promise<boolean | null> {
    const rehashed = this.hasher.needsRehash(passwordHash) ? await this.hasher.hash(password) : undefined;
    return this.accounts.change(id, async (now, transaction) => {
      if (now.disabledAt) return false;
      const isSame = now.passwordHash === passwordHash;
      // Another login may have hashed it again.
      if (!isSame && !(await this.hasher.verify(now.passwordHash, password))) return false;
      const changes: AccountChanges = {
        ...(now.firstLogInAt ? {} : { firstLogInAt: new Date(this.clock.now()) }),
        ...(isSame && rehashed !== undefined ? { passwordHash: rehashed } : {}),
      };
      if (Object.keys(changes).length > 0) await this.accounts.update(id, changes, transaction);
      return true;
    });
  }
}
