import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { type IssuedTokens, type LogInOptions, SessionRevokedError, type UserSession } from '../index.js';
import type { Caller } from './account.attempts.js';
import { type AccountEvent, AccountEvents } from './account.events.js';
import {
  ChangeEmailDto,
  ChangePasswordDto,
  ConfirmEmailDto,
  CredentialsDto,
  EmailDto,
  LogInDto,
  PasswordDto,
  readInput,
  ResetPasswordDto,
  TokenDto,
  VerifyEmailDto,
} from './account.input.js';
import type { AccountView } from './account.types.js';
import { toView } from './account.view.js';
import { AccountAdmin, type AccountExport } from './operations/account-admin.js';
import { EmailChange } from './operations/email-change.js';
import { LogIn } from './operations/log-in.js';
import { Passwords } from './operations/passwords.js';
import { PasswordCheck, requireSamePassword } from './operations/password-check.js';
import { Registration } from './operations/registration.js';
import { Verification } from './operations/verification.js';

/**
 * Accounts that log in by e-mail and password. The façade that applications inject.
 *
 * Each method checks its input, so that it takes a request's body as it is; `InvalidInputError` names each wrong field.
 * Methods with a `Caller` limit attempts by the client's address as well.
 */
@Injectable()
export class AccountService {
  /** What happens to accounts and mails. A subscriber that throws is logged and affects nothing else. */
  readonly events: Observable<AccountEvent>;

  /** @internal Nest makes it. */
  constructor(
    private readonly registration: Registration,
    private readonly verification: Verification,
    private readonly logins: LogIn,
    private readonly check: PasswordCheck,
    private readonly passwords: Passwords,
    private readonly emailChange: EmailChange,
    private readonly admin: AccountAdmin,
    events: AccountEvents,
  ) {
    this.events = events.observable;
  }

  /**
   * Creates an account and sends a link that verifies its address. Where the address already has an account, its owner
   * gets a mail that says so; the answer and its time are the same.
   *
   * @throws InvalidInputError, also for a password that the policy refuses
   * @throws TooManyAttemptsError
   */
  async register(input: CredentialsDto, caller: Caller = {}): Promise<void> {
    await this.registration.register(input, caller);
  }

  /** Sends the link that verifies an address again. For an unknown address there is neither an error nor a mail. */
  async sendVerification(input: EmailDto, caller: Caller = {}): Promise<void> {
    await this.registration.sendVerification(readInput(EmailDto, input).email, caller);
  }

  /**
   * Verifies an address by the token of a link, together with the password of the registration. Anybody can register an
   * address, so its owner proves to know the password, or chooses another one as `newPassword`. A second click
   * succeeds.
   *
   * @throws PasswordMismatchError when the password is not the one of the registration; the link stays valid
   * @throws InvalidInputError for a `newPassword` that the policy refuses; the link stays valid
   * @throws TokenInvalidError for a token that has expired, was replaced or is unknown
   * @throws TooManyAttemptsError, RecoveryRequiredError after too many wrong passwords with the link
   */
  async verifyEmail(input: VerifyEmailDto, caller: Caller = {}): Promise<AccountView> {
    const { token, ...password } = readInput(VerifyEmailDto, input);
    return toView(await this.verification.verify(token, password, caller));
  }

  /**
   * Begins a session whose user id is the account's id and whose claims contain its role. Takes the options of
   * `SessionService.logIn` except `manager`; `exchange` sets the cookies. With it the device is recognised, unless
   * `recognise` is false, and the owner gets a mail about a login on a new one.
   *
   * @throws InvalidCredentialsError for an unknown address and for a wrong password, after the same time
   * @throws EmailNotVerifiedError, AccountDisabledError, only for the right password
   * @throws TooManyAttemptsError, and what `SessionService.logIn` throws
   */
  async logIn(input: LogInDto, options: LogInOptions = {}): Promise<{ account: AccountView; tokens: IssuedTokens }> {
    const { email, password, remember } = readInput(LogInDto, input);
    const [account, tokens] = await this.logins.logIn(email, password, { remember, ...options });
    return { account: toView(account), tokens };
  }

  /**
   * Renews the login of a session by the password, for what needs a recent login (RFC 9470): a new session replaces it.
   *
   * @throws InvalidCredentialsError, TooManyAttemptsError; NotWhileImpersonatingError for an impersonation
   */
  reauthenticate(session: UserSession, input: PasswordDto, options: LogInOptions = {}): Promise<IssuedTokens> {
    return this.logins.reauthenticate(session, readInput(PasswordDto, input).password, options);
  }

  /** An account by its id, which is the user id of its sessions; or null. */
  async find(accountId: string): Promise<AccountView | null> {
    const account = await this.admin.find(accountId);
    return account && toView(account);
  }

  /** @throws SessionRevokedError when the account was deleted: its sessions ended with it */
  async own({ userId }: UserSession): Promise<AccountView> {
    const account = await this.find(userId);
    if (!account) throw new SessionRevokedError();
    return account;
  }

  /**
   * Sets another password, ends sessions as `password.onChange` says, and removes all links that were sent, in one
   * transaction. Require a recent login before.
   *
   * @throws InvalidCredentialsError when the present password is wrong
   * @throws InvalidInputError, TooManyAttemptsError; NotWhileImpersonatingError for an impersonation
   */
  async changePassword(session: UserSession, input: ChangePasswordDto, caller: Caller = {}): Promise<void> {
    const { currentPassword, newPassword } = readInput(ChangePasswordDto, input);
    await this.passwords.change(session, currentPassword, newPassword, caller);
  }

  /** Sends a link to choose a new password by. An unknown address gets no mail; the answer is the same. */
  async forgotPassword(input: EmailDto, caller: Caller = {}): Promise<void> {
    await this.passwords.sendRecovery(readInput(EmailDto, input).email, caller);
  }

  /**
   * Sets the password and ends all sessions of the account, in one transaction. Also verifies the address.
   *
   * @throws TokenInvalidError, TokenUsedError, TooManyAttemptsError
   * @throws InvalidInputError for a password that the policy refuses; the link stays valid
   */
  async resetPassword(input: ResetPasswordDto, caller: Caller = {}): Promise<void> {
    const { token, password } = readInput(ResetPasswordDto, input);
    await this.passwords.reset(token, password, caller);
  }

  /**
   * Sends a link to the new address. The former one stays in force until the link is followed.
   *
   * @throws InvalidCredentialsError for a wrong password; InvalidInputError, TooManyAttemptsError
   * @throws NotWhileImpersonatingError for an impersonation
   */
  async changeEmail(session: UserSession, input: ChangeEmailDto, caller: Caller = {}): Promise<void> {
    const { email, password } = readInput(ChangeEmailDto, input);
    await this.emailChange.request(session, email, password, caller);
  }

  /**
   * Puts a new address in force by the token of its link and the password of the account, and ends the other sessions.
   * The link proves who reads the mailbox; the password proves that the same person owns the account. The former address
   * gets a link that undoes the change. A second click succeeds.
   *
   * @throws InvalidCredentialsError for a wrong password; the link stays valid
   * @throws TokenInvalidError, or EmailTakenError when another account has the address by now
   * @throws TooManyAttemptsError, RecoveryRequiredError after too many wrong passwords with the link
   */
  async confirmEmail(input: ConfirmEmailDto, caller: Caller = {}): Promise<AccountView> {
    const { token, password } = readInput(ConfirmEmailDto, input);
    return toView(await this.emailChange.confirm(token, password, caller));
  }

  /**
   * Restores the former address by the token of the link that it got, sets a new password and ends all sessions. An
   * account that somebody has registered with that address meanwhile, without verifying it, is removed.
   *
   * @throws TokenInvalidError, TokenUsedError, InvalidInputError, TooManyAttemptsError
   * @throws EmailTakenError when another account has verified the address
   */
  async undoEmailChange(input: ResetPasswordDto, caller: Caller = {}): Promise<AccountView> {
    const { token, password } = readInput(ResetPasswordDto, input);
    return toView(await this.emailChange.undo(token, password, caller));
  }

  /**
   * Ends the session of a login on a new device by the token of the link that the owner got, and the sessions that began
   * after it. The device is a new one again. The person who has logged in knows the password, so ask for another one.
   *
   * @throws TokenInvalidError, TokenUsedError, InvalidInputError
   */
  async endSession(input: TokenDto): Promise<void> {
    await this.admin.endReportedSession(readInput(TokenDto, input).token);
  }

  /**
   * Proves that the user of a session knows the password, before something that cannot be undone.
   *
   * @throws InvalidCredentialsError, TooManyAttemptsError, RecoveryRequiredError, InvalidInputError
   * @throws NotWhileImpersonatingError for an impersonation
   */
  async requirePassword(session: UserSession, input: PasswordDto, caller: Caller = {}): Promise<void> {
    await this.check.requirePassword(session, readInput(PasswordDto, input).password, caller);
  }

  /**
   * Removes the account of a session's user and ends its sessions, in one transaction that also sees whether the
   * password is still in force. Require a recent login before.
   *
   * @throws InvalidCredentialsError for a wrong password, and for one that is replaced at the same moment
   * @throws TooManyAttemptsError, RecoveryRequiredError, InvalidInputError
   * @throws NotWhileImpersonatingError for an impersonation
   */
  async deleteOwn(session: UserSession, input: PasswordDto, caller: Caller = {}): Promise<void> {
    const proved = await this.check.requirePassword(session, readInput(PasswordDto, input).password, caller);
    await this.admin.delete(proved.id, now => requireSamePassword(proved, now));
  }

  /**
   * Removes the account and ends its sessions, in one transaction. For administrators: asks for no password. False when
   * there is none.
   */
  delete(accountId: string): Promise<boolean> {
    return this.admin.delete(accountId);
  }

  /** What is stored about the account's owner, including columns of the application's own; or null. */
  export(accountId: string): Promise<AccountExport | null> {
    return this.admin.export(accountId);
  }

  /** Ends all sessions and refuses logins from now on. For administrators. False when there is no such account. */
  disable(accountId: string): Promise<boolean> {
    return this.admin.disable(accountId);
  }

  /** Reverses `disable`. For administrators. */
  enable(accountId: string): Promise<boolean> {
    return this.admin.enable(accountId);
  }

  /** Sets another role, in force at the next request where SessionModule has `claims: AccountClaims`. */
  setRole(accountId: string, role: string): Promise<boolean> {
    return this.admin.setRole(accountId, role);
  }
}
