import { Injectable } from '@nestjs/common';
import type { IssuedTokens } from '../../index.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { TooManyAttemptsError } from '../account.errors.js';
import { languageOf } from '../account.language.js';
import type { Account, AccountTransaction } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';

/** Queues the mail about a login, in the transaction that confirms it. */
export type SignInNotice = (transaction: AccountTransaction) => Promise<void>;

/** Tells owners of accounts about logins on new devices. */
@Injectable()
export class SignInNotices {
  constructor(
    private readonly attempts: Attempts,
    private readonly outbox: Outbox,
  ) {}

  /** @returns undefined for a known device, and where the owner has got many such mails */
  async prepare(
    { id: accountId, email }: Account,
    { session, newDevice }: IssuedTokens,
    caller: Caller,
  ): Promise<SignInNotice | undefined> {
    if (!newDevice) return undefined;
    try {
      // Before the transaction, which would otherwise wait for a second connection.
      await this.attempts.consumeSubject('mail', { notice: email });
    } catch (error) {
      if (error instanceof TooManyAttemptsError) return undefined;
      throw error;
    }
    const mail = {
      kind: 'new-sign-in',
      email,
      accountId,
      sessionId: session.id,
      language: languageOf(caller),
    } as const;
    return transaction => this.outbox.send(mail, transaction);
  }
}
