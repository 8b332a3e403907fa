import { Injectable } from '@nestjs/common';
import type { UserSession } from '../../index.js';
import { SessionClock } from '../../common/clock.js';
import { Attempts, type Caller } from '../account.attempts.js';
import { emailKey } from '../account.email.js';
import { InvalidCredentialsError, TokenUsedError } from '../account.errors.js';
import { languageOf } from '../account.language.js';
import { AccountEvents } from '../account.events.js';
import type { Account } from '../account.types.js';
import { MailTokens } from '../mail/mail-tokens.js';
import { Outbox } from '../mail/outbox.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { AccountEditor } from './account-editor.js';
import { PasswordCheck } from './password-check.js';

/**
 * Changes the address of an account. The former address is in force until the link to the new one is followed. The
 * change ends the other sessions, and sends the former address a link that undoes it.
 */
@Injectable()
export class EmailChange {
  constructor(
    private readonly editor: AccountEditor,
    private readonly check: PasswordCheck,
    private readonly newPasswords: NewPasswords,
    private readonly tokens: MailTokens,
    private readonly outbox: Outbox,
    private readonly attempts: Attempts,
    private readonly events: AccountEvents,
    private readonly clock: SessionClock,
  ) {}

  /** The answer does not tell whether another account has the address; the owner of that account gets a mail. */
  async request(session: UserSession, email: string, password: string, caller: Caller): Promise<void> {
    const { id: accountId, passwordHash } = await this.check.requirePassword(session, password, caller);
    await this.attempts.consume('mail', { email }, caller);
    const language = languageOf(caller);
    await this.editor.edit(accountId, async (now, transaction) => {
      // A reset meanwhile has removed the links of then; this one would outlive it.
      if (now.disabledAt || now.passwordHash !== passwordHash) throw new InvalidCredentialsError();
      const mail = { kind: 'email-change', email, accountId, sessionId: session.id, language } as const;
      await this.outbox.send(mail, transaction);
      return undefined;
    });
  }

  /** @throws TokenInvalidError, TokenUsedError, EmailTakenError */
  async confirm(token: string): Promise<Account> {
    const { account, ended, isNew } = await this.editor.redeem(
      token,
      'change-email',
      async (former, { email, sessionId }, transaction) => {
        // Of several changes the owner of the first address has the link: a thief of the account reads the later ones.
        const kind = (await this.tokens.renewUndo(former.id, transaction)) ? 'email-changed-again' : 'email-changed';
        return {
          changes: { email, emailKey: emailKey(email), verifiedAt: new Date(this.clock.now()) },
          notice: { kind, email: former.email, accountId: former.id },
          endSessions: { reason: 'email-changed', except: sessionId ?? undefined },
        };
      },
      (now, { email }) => now.emailKey === emailKey(email),
    );
    if (isNew) this.events.emit({ type: 'account.email-changed', accountId: account.id, cause: 'change', ended });
    return account;
  }

  /**
   * Gives the account back to the owner of its former address. The person who changed the address knew the password, so
   * a new one is set, and all sessions end.
   *
   * @throws InvalidInputError, TokenInvalidError, TokenUsedError
   * @throws EmailTakenError when the owner of the address has verified another account with it
   */
  async undo(token: string, password: string): Promise<Account> {
    const { account: present, email, used } = await this.editor.find(token, 'undo-email-change');
    if (used) throw new TokenUsedError();
    // Hashed before the token is used up, so that a refused password does not cost the link.
    const passwordHash = await this.newPasswords.hash('password', password, email);
    // A thief could block the link by registering the former address.
    const squatter = await this.editor.findUnverified(email, present.id);
    const { account, ended } = await this.editor.redeem(
      token,
      'undo-email-change',
      async (_former, _link, transaction) => {
        if (squatter !== undefined) await this.editor.removeUnverified(squatter, transaction);
        return {
          changes: { email, emailKey: emailKey(email), passwordHash, verifiedAt: new Date(this.clock.now()) },
          endSessions: { reason: 'email-change-undone' },
          forgetDevices: true,
        };
      },
    );
    await this.attempts.succeeded({ email }, {});
    this.events.emit({ type: 'account.email-changed', accountId: account.id, cause: 'undo', ended });
    return account;
  }
}
