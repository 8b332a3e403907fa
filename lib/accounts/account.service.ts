import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { type IssuedTokens, type LogInOptions, SessionRevokedError, type UserSession } from '../index.js';
import type { Caller } from './account.attempts.js';
import { type AccountEvent, AccountEvents } from './account.events.js';
import {
  ChangePasswordDto,
  CredentialsDto,
  EmailDto,
  PasswordDto,
  readInput,
  ResetPasswordDto,
  TokenDto,
} from './account.input.js';
import type { AccountView } from './account.types.js';
import { type AccountExport, Administration } from './operations/administration.js';
import { EmailChange } from './operations/email-change.js';
import { LogIn } from './operations/log-in.js';
import { Passwords } from './operations/passwords.js';
import { Registration } from './operations/registration.js';
import { viewOf } from './operations/view.js';
import { AccountStore } from './store/account.store.js';

/**
 * Accounts that log in by e-mail and password. The façade that applications inject.
 *
 * Input is checked here, so that a request's body may be handed over as it is; `InvalidInputError` names each field that
 * is wrong. Where a method takes a `Caller`, attempts are limited by the client's address as well.
 */
@Injectable()
export class AccountService {
  /** What happens. Each event is delivered in a try/catch of its own: a subscriber that fails harms nobody. */
  readonly events: Observable<AccountEvent>;

  /** @internal Nest makes it. */
  constructor(
    private readonly registration: Registration,
    private readonly entrance: LogIn,
    private readonly passwords: Passwords,
    private readonly emails: EmailChange,
    private readonly administration: Administration,
    private readonly accounts: AccountStore,
    events: AccountEvents,
  ) {
    this.events = events.observable;
  }

  /**
   * Makes an account and sends a link that verifies its address. Where the address has an account already, its owner gets
   * a mail that says so; the answer and its time are the same.
   *
   * @throws InvalidInputError, also for a password that the policy refuses
   * @throws TooManyAttemptsError
   */
  async register(input: CredentialsDto, caller: Caller = {}): Promise<void> {
    const { email, password } = readInput(CredentialsDto, input);
    await this.registration.register(email, password, caller);
  }

  /** Sends the link that verifies an address again. Also for an unknown address there is no error, but no mail either. */
  async sendVerification(input: EmailDto, caller: Caller = {}): Promise<void> {
    await this.registration.sendAgain(readInput(EmailDto, input).email, caller);
  }

  /** @throws TokenInvalidError for a token that was used, is too old or none of ours */
  async verifyEmail(input: TokenDto): Promise<AccountView> {
    return viewOf(await this.registration.verify(readInput(TokenDto, input).token));
  }

  /**
   * Begins a session whose user id is the account's id and whose claims have its role. Takes the options of
   * `SessionService.logIn` except `manager`; `exchange` sets the cookies.
   *
   * @throws InvalidCredentialsError for an unknown address and for a wrong password, after the same time
   * @throws EmailNotVerifiedError, AccountDisabledError, only to those who know the password
   * @throws TooManyAttemptsError, and what `SessionService.logIn` throws
   */
  async logIn(
    input: CredentialsDto,
    options: LogInOptions = {},
  ): Promise<{ account: AccountView; tokens: IssuedTokens }> {
    const { email, password } = readInput(CredentialsDto, input);
    const [account, tokens] = await this.entrance.logIn(email, password, options);
    return { account: viewOf(account), tokens };
  }

  /**
   * Asks for the password again, for what needs a recent login (RFC 9470): a new session takes the place of this one.
   *
   * @throws InvalidCredentialsError, TooManyAttemptsError
   */
  reauthenticate(session: UserSession, input: PasswordDto, options: LogInOptions = {}): Promise<IssuedTokens> {
    return this.entrance.reauthenticate(session, readInput(PasswordDto, input).password, options);
  }

  /** An account by its id, which is the user id of its sessions; or null. */
  async find(accountId: string): Promise<AccountView | null> {
    const account = await this.accounts.findById(accountId);
    return account && viewOf(account);
  }

  /** @throws SessionRevokedError when the account is gone: the session has ended with it */
  async own({ userId }: UserSession): Promise<AccountView> {
    const account = await this.find(userId);
    if (!account) throw new SessionRevokedError();
    return account;
  }

  /**
   * Sets another password, ends sessions as `password.onChange` says, and takes back all links that were sent, in one
   * transaction. Ask for a recent login before.
   *
   * @throws InvalidCredentialsError when the present password is another
   * @throws InvalidInputError, TooManyAttemptsError
   */
  async changePassword(session: UserSession, input: ChangePasswordDto, caller: Caller = {}): Promise<void> {
    const { currentPassword, newPassword } = readInput(ChangePasswordDto, input);
    await this.passwords.change(session, currentPassword, newPassword, caller);
  }

  /** Sends a link with which a new password can be chosen. An unknown address gets no mail; the answer is the same. */
  async forgotPassword(input: EmailDto, caller: Caller = {}): Promise<void> {
    await this.passwords.forgot(readInput(EmailDto, input).email, caller);
  }

  /**
   * Sets the password and ends all sessions of the account, in one transaction. Also verifies the address.
   *
   * @throws TokenInvalidError; InvalidInputError for a password that is refused, and the link goes on to work
   */
  async resetPassword(input: ResetPasswordDto): Promise<void> {
    const { token, password } = readInput(ResetPasswordDto, input);
    await this.passwords.reset(token, password);
  }

  /** Sends a link to the new address; until it is followed the former one counts. Ask for a recent login before. */
  async changeEmail({ userId }: UserSession, input: EmailDto, caller: Caller = {}): Promise<void> {
    await this.emails.request(userId, readInput(EmailDto, input).email, caller);
  }

  /** @throws TokenInvalidError; EmailTakenError when another account has the address by now */
  async confirmEmail(input: TokenDto): Promise<AccountView> {
    return viewOf(await this.emails.confirm(readInput(TokenDto, input).token));
  }

  /** Removes the account and ends its sessions, in one transaction. False when there is none. */
  delete(accountId: string): Promise<boolean> {
    return this.administration.delete(accountId);
  }

  /** What is stored about the account's owner, with columns of the application's own; or null. */
  export(accountId: string): Promise<AccountExport | null> {
    return this.administration.export(accountId);
  }

  /** Ends all sessions at once and refuses logins from now on. For administrators. False when there is no such account. */
  disable(accountId: string): Promise<boolean> {
    return this.administration.disable(accountId);
  }

  /** Takes `disable` back. For administrators. */
  enable(accountId: string): Promise<boolean> {
    return this.administration.enable(accountId);
  }

  /** Gives another role, in force with the next request where SessionModule has `claims: AccountClaims`. */
  setRole(accountId: string, role: string): Promise<boolean> {
    return this.administration.setRole(accountId, role);
  }
}
