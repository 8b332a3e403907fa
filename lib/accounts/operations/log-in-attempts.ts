import { Injectable } from '@nestjs/common';
import { KnownDevices } from '../../index.js';
import { Attempts, type AttemptSubject, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import type { Account } from '../account.types.js';
import { AccountStore } from '../store/account.store.js';

/** No account has this id. */
const NO_ACCOUNT = '00000000-0000-0000-0000-000000000000';

/** An attempt to log in that was counted. */
export interface LogInAttempt {
  /** The account of the address, whose password is to be checked. */
  readonly account: Account | null;
  succeeded(): Promise<void>;
}

/** Counts attempts to log in: apart for devices on which the account was logged in to before. */
@Injectable()
export class LogInAttempts {
  constructor(
    private readonly attempts: Attempts,
    private readonly accounts: AccountStore,
    private readonly devices: KnownDevices,
  ) {}

  /** @throws TooManyAttemptsError, RecoveryRequiredError */
  async begin(email: string, caller: Caller): Promise<LogInAttempt> {
    await this.attempts.consumeAddress('logIn', caller);
    const account = await this.accounts.findByEmail(emailKey(email));
    const subject = await this.subjectOf(email, account, caller);
    await this.attempts.consumeSubject('logIn', subject);
    return { account, succeeded: () => this.attempts.succeeded(subject, caller) };
  }

  /** Asks for unknown addresses as well, so that the time does not tell which addresses have an account. */
  private async subjectOf(email: string, account: Account | null, { exchange }: Caller): Promise<AttemptSubject> {
    const device = exchange && (await this.devices.recognise(account?.id ?? NO_ACCOUNT, exchange));
    return account && device ? { device } : { email };
  }
}
