import { Injectable } from '@nestjs/common';
import {
  type IssuedTokens,
  KnownDevices,
  type LogInOptions,
  SessionAuthenticator,
  SessionError,
  SessionService,
  SessionStoreUnavailableError,
  type UserSession,
} from '../../index.js';
import { isUnavailable } from '../../common/database-errors.js';
import { SessionClock } from '../../common/clock.js';
import { InvalidCredentialsError } from '../account.errors.js';
import type { Account, AccountChanges } from '../account.types.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { AccountStore } from '../store/account.store.js';
import { PasswordCheck } from './password-check.js';
import { type SignInNotice, SignInNotices } from './sign-in-notices.js';

const REASON = 'account-changed';

/**
 * Looks at an account again when a login has created its session. The account may have been disabled, or its password
 * or role changed, while the login was under way, and that change has ended only the sessions that existed. `change`
 * waits for it, so that the later of the two sees the other. The notice of a login on a new device commits with it: the
 * client gets no tokens of which the owner is not told.
 */
@Injectable()
export class AccountRecheck {
  constructor(
    private readonly accounts: AccountStore,
    private readonly sessions: SessionService,
    private readonly authenticator: SessionAuthenticator,
    private readonly check: PasswordCheck,
    private readonly hasher: PasswordHasher,
    private readonly clock: SessionClock,
    private readonly devices: KnownDevices,
    private readonly notices: SignInNotices,
  ) {}

  /**
   * @throws InvalidCredentialsError when the account has changed; the session has ended and its cookies are cleared
   * @throws SessionStoreUnavailableError when the database does not answer; likewise
   */
  async run(account: Account, password: string, tokens: IssuedTokens, options: LogInOptions): Promise<void> {
    const { session } = tokens;
    const { exchange } = options;
    let isUnchanged: boolean | null;
    try {
      const notice = await this.notices.prepare(account, tokens, options);
      isUnchanged = await this.confirm(account, password, notice);
    } catch (error) {
      const refusal = await this.discard(session);
      if (exchange) this.authenticator.refuse(exchange, refusal);
      throw isUnavailable(error) ? refusal : error;
    }
    if (isUnchanged) return;
    await this.sessions.logOut(session.id, { exchange, reason: REASON });
    await this.devices.forget(account.id, { sessionId: session.id });
    throw this.check.refused(new InvalidCredentialsError(), account.id);
  }

  /**
   * Ends a session whose account cannot be looked at, and forgets its device: the next login there is told to the owner.
   * Where that fails, too, the tokens of the session are withheld.
   */
  private async discard({ id, userId }: UserSession): Promise<SessionError> {
    const failure = await this.sessions
      .logOut(id, { reason: REASON })
      .then(() => this.devices.forget(userId, { sessionId: id }))
      .catch((error: unknown) => error);
    return (failure instanceof SessionError ? failure : new SessionStoreUnavailableError()).endingSession();
  }

  /** Also notes the first login, and hashes the password again where parameters were raised. */
  private async confirm(
    { id, passwordHash, role }: Account,
    password: string,
    notice: SignInNotice | undefined,
  ): Promise<boolean | null> {
    const rehashed = this.hasher.needsRehash(passwordHash) ? await this.hasher.hash(password) : undefined;
    return this.accounts.change(id, async (now, transaction) => {
      if (now.disabledAt || now.role !== role) return false;
      const isSame = now.passwordHash === passwordHash;
      // Another login may have hashed it again.
      if (!isSame && !(await this.hasher.verify(now.passwordHash, password))) return false;
      const changes: AccountChanges = {
        ...(now.firstLogInAt ? {} : { firstLogInAt: new Date(this.clock.now()) }),
        ...(isSame && rehashed !== undefined ? { passwordHash: rehashed } : {}),
      };
      if (Object.keys(changes).length > 0) await this.accounts.update(id, changes, transaction);
      await notice?.(transaction);
      return true;
    });
  }
}
