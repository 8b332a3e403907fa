import { Injectable } from '@nestjs/common';
import { SessionClock } from '../../common/clock.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { AccountStore } from '../store/account.store.js';
import { AttemptStore } from '../store/attempt.store.js';
import { MailStore } from '../store/mail.store.js';
import { RegistrationStore } from '../store/registration.store.js';
import { TokenStore } from '../store/token.store.js';

const FAILED_MAIL_TTL_MS = 604_800_000;

/** Removes expired tokens, counters and registrations, unused accounts, and mails that were given up a week ago. */
@Injectable()
export class AccountCleanUp {
  constructor(
    private readonly accounts: AccountStore,
    private readonly registrations: RegistrationStore,
    private readonly tokens: TokenStore,
    private readonly mails: MailStore,
    private readonly attempts: AttemptStore,
    private readonly options: ResolvedAccountOptions,
    private readonly clock: SessionClock,
  ) {}

  async run(): Promise<void> {
    await this.tokens.removeExpired();
    await this.attempts.removeExpired();
    await this.registrations.removeExpired();
    await this.mails.removeFailed(FAILED_MAIL_TTL_MS);
    const { unverifiedLifetime } = this.options;
    if (unverifiedLifetime !== null) {
      await this.accounts.removeUnused(new Date(this.clock.now() - unverifiedLifetime));
    }
  }
}
