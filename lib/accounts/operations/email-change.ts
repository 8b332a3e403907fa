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
import { PasswordCheck, requireSamePassword } from './password-check.js';

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
    const proved = await this.check.requirePassword(session, password, caller);
    const { id: accountId } = proved;
    await this.attempts.consume('mail', { email }, caller);
    const language = languageOf(caller);
    await this.editor.edit(accountId, async (now, transaction) => {
      // A reset in the meantime has removed all links that existed; this one would outlive it.
      requireSamePassword(proved, now);
      const mail = { kind: 'email-change', email, accountId, sessionId: session.id, language } as const;
      await this.outbox.send(mail, transaction);
      return undefined;
    });
  }

  /**
   * Anybody can be sent such a link by somebody else's account, and may follow it, or a program that scans mails does.
   * The password shows that the reader of the mail owns the account.
   *
   * @throws InvalidCredentialsError, TooManyAttemptsError, TokenInvalidError, TokenUsedError, EmailTakenError
   */
  async confirm(token: string, password: string, caller: Caller): Promise<Account> {
    const found = await this.editor.find(token, 'change-email', caller);
    if (!found.used && !(await this.check.matches(found.account.passwordHash, password))) {
      throw this.check.refused(new InvalidCredentialsError(), found.account.id);
    }
    const { account, ended, isNew } = await this.editor.redeem(
      token,
      'change-email',
      caller,
      async (former, { email, sessionId }, transaction) => {
        // Of several changes the owner of the first address has the link: a thief of the account reads the later ones.
        const kind = (await this.tokens.renewUndo(former.id, transaction)) ? 'email-changed-again' : 'email-changed';
        return {
          changes: { email, emailKey: emailKey(email), verifiedAt: new Date(this.clock.now()) },
          notices: [{ kind, email: former.email, accountId: former.id }],
          endSessions: { reason: 'email-changed', except: sessionId ?? undefined },
          forgetDevices: { except: caller.exchange },
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
  async undo(token: string, password: string, caller: Caller): Promise<Account> {
    const { account: present, email, used } = await this.editor.find(token, 'undo-email-change', caller);
    if (used) throw new TokenUsedError();
    // Hashed before the token is used up, so that a refused password does not cost the link.
    const passwordHash = await this.newPasswords.hash('password', password, email);
    const redeem = () =>
      this.editor.redeem(token, 'undo-email-change', caller, () => ({
        changes: { email, emailKey: emailKey(email), passwordHash, verifiedAt: new Date(this.clock.now()) },
        endSessions: { reason: 'email-change-undone' },
        forgetDevices: {},
      }));
    // A thief could otherwise block the link by registering the former address.
    const { account, ended } = await this.editor.claimAddress(email, present.id, redeem, removed =>
      this.events.emit({ type: 'account.deleted', accountId: removed.account.id, ended: removed.ended }),
    );
    await this.attempts.succeeded({ email }, {});
    this.events.emit({ type: 'account.email-changed', accountId: account.id, cause: 'undo', ended });
    return account;
  }
}
