import { Injectable } from '@nestjs/common';
import { uuidV7 } from '../../common/uuid.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import { CredentialsDto, readApplicationInput } from '../account.input.js';
import { languageOf } from '../account.language.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { Outbox } from '../mail/outbox.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { AccountEditor } from './account-editor.js';

/** Creates accounts whose addresses are not verified yet. */
@Injectable()
export class Registration {
  constructor(
    private readonly editor: AccountEditor,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly newPasswords: NewPasswords,
    private readonly options: ResolvedAccountOptions,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** Does the same for known and unknown addresses: one hash, one insert that may change nothing, one queued mail. */
  async register(input: CredentialsDto, caller: Caller): Promise<void> {
    const type = this.options.registration ?? CredentialsDto;
    const { email, password, ...others } = await readApplicationInput(type, input);
    const passwordHash = await this.newPasswords.hash('password', password, email, {
      before: () => this.attempts.consumeAddress('mail', caller),
      // A refused password must not use up the mails to an address.
      accepted: () => this.attempts.consumeSubject('mail', { email }),
    });
    const account = this.newAccount(email, passwordHash);
    // No field of the application can take the place of a member that the module sets.
    const fields = Object.fromEntries(Object.entries(others).filter(([name]) => !(name in account)));
    const mail = { kind: 'registration', email, language: languageOf(caller) } as const;
    const isNew = await this.editor.create(account, fields, mail, this.options.tokens.verification);
    if (isNew) this.events.emit({ type: 'account.registered', accountId: account.id });
  }

  /** Sends the link that verifies an address again. */
  async sendVerification(email: string, caller: Caller): Promise<void> {
    await this.attempts.consume('mail', { email }, caller);
    await this.outbox.send({ kind: 'verification', email, language: languageOf(caller) });
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
      firstLogInAt: null,
      createdAt: new Date(now),
    };
  }
}
