import type { Type } from '@nestjs/common';
import type { Duration } from '../../common/duration.js';
import {
  aFunction,
  Check,
  CheckDuration,
  CheckGroup,
  classExtending,
  oneOf,
  secrets,
  text,
  trueOrFalse,
  wholeNumber,
} from '../../common/option-checks.js';
import { type Given, OptionGroup } from '../../common/options.js';
import { CredentialsDto } from '../account.input.js';
import type { Mailer } from '../mail/mailer.js';
import type { MailTemplates } from '../mail/templates.js';
import { baseUrl, pagePath, smtp, templates } from './account-option-checks.js';

/** Where the application's own pages are, under `baseUrl`. Links in mails lead to them. */
class AccountPageSettings extends OptionGroup {
  /** Reads `#token=…`, asks for the password and posts both to `verify-email`. */
  @Check(pagePath)
  verifyEmail = '/verify-email';

  /** Reads `#token=…`, asks for a password and posts both to `reset-password`. */
  @Check(pagePath)
  resetPassword = '/reset-password';

  /** Reads `#token=…`, asks for the account's password and posts both to `confirm-email`. */
  @Check(pagePath)
  confirmEmail = '/confirm-email';

  /** Reads `#token=…`, asks for a password and posts both to `undo-email-change`. */
  @Check(pagePath)
  undoEmailChange = '/undo-email-change';

  /** Reads `#token=…` and, at the press of a button, posts it to `end-session`. */
  @Check(pagePath)
  endSession = '/end-session';

  /** Where users log in. */
  @Check(pagePath)
  logIn = '/login';

  /** Where users ask for a new password. */
  @Check(pagePath)
  forgotPassword = '/forgot-password';
}

class AccountPasswordSettings extends OptionGroup {
  /** Characters, at least 8. NIST SP 800-63B-4, section 3.1.1.2, requires 15 where the password is the only factor. */
  @Check(wholeNumber(8, 64))
  minLength = 15;

  /** Characters, at least 64. */
  @Check(wholeNumber(64, 4096))
  maxLength = 256;

  /**
   * Argon2id's memory in KiB. Together with `timeCost` at least as strong as the parameters of the OWASP Password
   * Storage Cheat Sheet. Default: 19 MiB.
   */
  @Check(wholeNumber(7168, 4_194_304))
  memoryCost = 19_456;

  /** Argon2id's passes. */
  @Check(wholeNumber(1, 100))
  timeCost = 2;

  /** Argon2id's lanes. */
  @Check(wholeNumber(1, 64))
  parallelism = 1;

  /**
   * One or more secrets of at least 32 bytes that are kept outside the database, the newest first. A password is keyed
   * with the first one before it is hashed. Without a pepper the passwords that were keyed with it cannot be verified.
   */
  @Check(secrets(32))
  pepper?: string | string[];

  /**
   * Whether attackers know a password. It replaces the estimate by zxcvbn, and receives the password in Unicode's form
   * NFKC. What it throws refuses the request.
   */
  @Check(aFunction('write a function'))
  isCompromised?: (password: string) => boolean | Promise<boolean>;

  /** Which sessions a change of password ends: the others, all, or none. A reset always ends all. */
  @Check(oneOf(['end-others', 'end-all', 'keep']))
  onChange: 'end-others' | 'end-all' | 'keep' = 'end-others';
}

/** How long links in mails work. */
class AccountTokenSettings extends OptionGroup {
  /** The link that verifies an address. */
  @CheckDuration({ min: '1m', max: '30d' })
  verification: Duration = '24h';

  /** The link to a new password; at most a day (OWASP Forgot Password Cheat Sheet: a short time). */
  @CheckDuration({ min: '1m', max: '24h' })
  recovery: Duration = '1h';

  /** The link that confirms a new address. */
  @CheckDuration({ min: '1m', max: '30d' })
  emailChange: Duration = '24h';

  /** The link that the former address gets, and that undoes a change of the address. */
  @CheckDuration({ min: '1h', max: '30d' })
  undoEmailChange: Duration = '7d';

  /** The link that ends the session of a login on a new device. */
  @CheckDuration({ min: '1h', max: '30d' })
  endSession: Duration = '7d';
}

abstract class AttemptLimitSettings extends OptionGroup {
  /** Attempts with one e-mail address, known or not. NIST SP 800-63B-4, section 3.2.2, allows 100 in a row. */
  @Check(wholeNumber(1, 100))
  perAccount!: number;

  /** Attempts from one client address; of IPv6 the first 64 bits count. */
  @Check(wholeNumber(1, 1_000_000))
  perAddress!: number;

  /** The time in which attempts are counted, and for which more are refused. */
  @CheckDuration({ min: '1s', max: '24h' })
  within!: Duration;
}

class LogInLimitSettings extends AttemptLimitSettings {
  override perAccount = 10;
  override perAddress = 100;
  override within: Duration = '15m';
}

class MailLimitSettings extends AttemptLimitSettings {
  override perAccount = 5;
  override perAddress = 50;
  override within: Duration = '1h';
}

class AccountAttemptSettings extends OptionGroup {
  /** Wrong passwords. */
  @CheckGroup()
  logIn = new LogInLimitSettings();

  /** Requests that lead to a mail. */
  @CheckGroup()
  mail = new MailLimitSettings();
}

/** An SMTP server, where a URL is not enough. */
export interface SmtpOptions {
  host: string;
  port?: number;
  /** TLS from the first byte (port 465). */
  secure?: boolean;
  /** Refuses to send without STARTTLS. Default: true, except to this machine itself. */
  requireTLS?: boolean;
  user?: string;
  password?: string;
}

class AccountMailSettings extends OptionGroup {
  /** The sender, such as `'Example <no-reply@example.com>'`. Required. */
  @Check(text("write the sender, such as 'Example <no-reply@example.com>'"), { required: true })
  from!: string;

  /** Sends by SMTP through nodemailer. */
  @Check(smtp)
  smtp?: string | SmtpOptions;

  /** Writes mails into a folder instead, for development. Default: a folder for temporary files. */
  @Check(text('write the path of a folder'))
  folder?: string;

  /** A provider of the application that sends mails. */
  @Check(aFunction('write a class that extends Mailer, and provide it'))
  mailer?: Type<Mailer>;

  /** The texts of the mails; those that are left out keep the text of the module. */
  @Check(templates)
  templates: Partial<MailTemplates> = {};

  /** After how many attempts a mail is given up; the time between them grows from seconds to hours. */
  @Check(wholeNumber(1, 100))
  maxAttempts = 10;
}

/** The options of `AccountModule`, with their defaults. */
export class AccountSettings extends OptionGroup {
  /** The address under which users see the application. Links in mails begin with it, never with a request's `Host`. */
  @Check(baseUrl, { required: true })
  baseUrl!: string;

  /** The name of the application in mails. Default: the host of `baseUrl`. */
  @Check(text('write the name of the application'))
  serviceName?: string;

  @CheckGroup()
  pages = new AccountPageSettings();

  @CheckGroup()
  password = new AccountPasswordSettings();

  @CheckGroup()
  tokens = new AccountTokenSettings();

  @CheckGroup()
  attempts = new AccountAttemptSettings();

  @CheckGroup()
  mail = new AccountMailSettings();

  /** How long ago the login may be for operations that need a recent one (RFC 9470). */
  @CheckDuration({ min: '1s' })
  recentLogin: Duration = '15m';

  /** Whether users can log in only after their address was verified. */
  @Check(trueOrFalse())
  requireVerified = true;

  /**
   * When accounts go that were never verified and never logged in to, so that addresses of others cannot be occupied.
   * At least as long as `tokens.verification`; `'none'` keeps them.
   */
  @CheckDuration({ min: '1h', orNone: true })
  unverifiedLifetime: Duration | 'none' = '7d';

  /**
   * A class that extends `CredentialsDto`, with decorators of class-validator on its own fields. A registration takes
   * these fields as well, and stores them in columns of the same names.
   */
  @Check(classExtending(CredentialsDto, 'write a class that extends CredentialsDto'))
  registration?: Type<CredentialsDto>;

  /**
   * Metrics and spans by OpenTelemetry (needs the package @opentelemetry/api). Its SDK must start before the application.
   */
  @Check(trueOrFalse())
  telemetry = false;

  /** The role of new accounts. */
  @Check(text('write the name of a role'))
  role = 'user';
}

export interface AccountAttemptOptions extends Given<AccountAttemptSettings> {}
export interface AccountMailOptions extends Given<AccountMailSettings> {}
export interface AccountPageOptions extends Given<AccountPageSettings> {}
export interface AccountPasswordOptions extends Given<AccountPasswordSettings> {}
export interface AccountTokenOptions extends Given<AccountTokenSettings> {}
export interface AttemptLimit extends Given<AttemptLimitSettings> {}

/** The options of `AccountModule.forRoot` and of the factories of `AccountModule.forRootAsync`. */
export interface AccountModuleOptions extends Given<AccountSettings> {}

/** Implemented by the classes of `useClass` and `useExisting` of `AccountModule.forRootAsync`. */
export interface AccountOptionsFactory {
  createAccountOptions(): AccountModuleOptions | Promise<AccountModuleOptions>;
}
