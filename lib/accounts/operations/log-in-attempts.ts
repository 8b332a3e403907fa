import { Injectable } from '@nestjs/common';
import type { IssuedTokens } from '../../index.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { AccountDevices } from '../account.devices.js';
import { emailKey } from '../account.email.js';
import type { Account } from '../account.types.js';

/** An attempt to log in that was counted. */
export interface LogInAttempt {
  succeeded(): Promise<void>;
  /** In browsers only: other clients keep no cookies. */
  rememberDevice(account: Account, tokens: IssuedTokens): Promise<void>;
}

/** Counts attempts to log in: apart for devices on which the account was logged in to before. */
@Injectable()
export class LogInAttempts {
  constructor(
    private readonly attempts: Attempts,
    private readonly devices: AccountDevices,
  ) {}

  /** @throws TooManyAttemptsError, RecoveryRequiredError */
  async begin(email: string, caller: Caller): Promise<LogInAttempt> {
    const { exchange } = caller;
    const device = await this.devices.recognise(exchange, emailKey(email));
    const subject = device === undefined ? { email } : { device };
    await this.attempts.consume('logIn', subject, caller);
    return {
      succeeded: () => this.attempts.succeeded(subject, caller),
      rememberDevice: async (account, { accessToken }) => {
        if (device === undefined && exchange && accessToken === undefined)
          await this.devices.remember(exchange, account);
      },
    };
  }
}
