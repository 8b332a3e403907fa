import type { Type } from '@nestjs/common';
import { IsBoolean, IsIn, IsOptional, Matches } from 'class-validator';
import { IsDuration, IsOptionsObject } from '../../common/option-checks.js';
import type { Mailer } from '../mail/mailer.js';
import type { MailTemplates } from '../mail/templates.js';
import type { AccountEntity } from '../store/account.entity.js';
import type { AccountStore } from '../store/account.store.js';
import { baseUrlMistake, IsGood, isText, IsWhole, pepperMistake, smtpMistake } from './account-validators.js';

// Each option's default stands in `account-options.defaults.ts`, and only there.

const IsPagePath = () => Matches(/^\/[^\s?#]*$/, { message: "write a path of the application, such as '/login'" });

/** Where the application's own pages are, under `baseUrl`: what links in mails point at. */
export class AccountPageOptions {
  /** Reads `#token=…` and posts it to `verify-email`. */
  @IsOptional()
  @IsPagePath()
  verifyEmail?: string;

  /** Reads `#token=…`, asks for a password and posts both to `reset-password`. */
  @IsOptional()
  @IsPagePath()
  resetPassword?: string;

  /** Reads `#token=…` and posts it to `confirm-email`. */
  @IsOptional()
  @IsPagePath()
  confirmEmail?: string;

  @IsOptional()
  @IsPagePath()
  logIn?: string;

  @IsOptional()
  @IsPagePath()
  forgotPassword?: string;
}

export class AccountPasswordOptions {
  /** Characters, at least 8. NIST SP 800-63B-4 asks for 15 where a password is all that is asked for. */
  @IsWhole(8, 64)
  minLength?: number;

  /** Characters, at least 64. */
  @IsWhole(64, 4096)
  maxLength?: number;

  /** Argon2id's memory in KiB. Not weaker than OWASP's parameters together with `timeCost`. */
  @IsWhole(7168, 4_194_304)
  memoryCost?: number;

  /** Argon2id's passes. */
  @IsWhole(1, 100)
  timeCost?: number;

  /** Argon2id's lanes. */
  @IsWhole(1, 64)
  parallelism?: number;

  /**
   * Secrets of at least 32 bytes that are kept outside the database, the newest first; a password is keyed with the
   * first before it is hashed. Whoever loses one loses the passwords that were keyed with it.
   */
  @IsOptional()
  @IsGood(pepperMistake)
  pepper?: string | string[];

  /**
   * Whether attackers know a password. It replaces the estimate by zxcvbn, and receives the password in Unicode's form
   * NFKC. What it throws refuses the request.
   */
  @IsOptional()
  @IsGood(value => (typeof value === 'function' ? undefined : 'write a function'))
  isCompromised?: (password: string) => boolean | Promise<boolean>;

  /** Which sessions a change of password ends: the others, all, or none. A reset ends all in any case. */
  @IsOptional()
  @IsIn(['end-others', 'end-all', 'keep'])
  onChange?: 'end-others' | 'end-all' | 'keep';
}

/** How long links in mails work. */
export class AccountTokenOptions {
  @IsDuration({ least: '1m', most: '30d' })
  verification?: string;

  /** At most a day (OWASP Forgot Password Cheat Sheet: a short time). */
  @IsDuration({ least: '1m', most: '24h' })
  recovery?: string;

  @IsDuration({ least: '1m', most: '30d' })
  emailChange?: string;
}

export class AttemptLimit {
  /** How often with one e-mail address, known or not. NIST SP 800-63B-4, section 3.2.2, allows 100 in a row. */
  @IsWhole(1, 100)
  perAccount?: number;

  /** How often from one client address; of IPv6 the first 64 bits count. */
  @IsWhole(1, 1_000_000)
  perAddress?: number;

  /** Within what time, and for how long more are refused then. */
  @IsDuration({ least: '1s', most: '24h' })
  within?: string;
}

export class AccountAttemptOptions {
  /** Wrong passwords. */
  @IsOptionsObject(() => AttemptLimit)
  logIn?: AttemptLimit;

  /** Requests that lead to a mail. */
  @IsOptionsObject(() => AttemptLimit)
  mail?: AttemptLimit;
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

export class AccountMailOptions {
  /** The sender, such as `'Example <no-reply@example.com>'`. Required. */
  @IsGood(value => (isText(value) ? undefined : "write the sender, such as 'Example <no-reply@example.com>'"))
  from?: string;

  /** Sends by SMTP through nodemailer. */
  @IsOptional()
  @IsGood(smtpMistake)
  smtp?: string | SmtpOptions;

  /** Writes mails into a folder instead, for development. */
  @IsOptional()
  @IsGood(value => (isText(value) ? undefined : 'write the path of a folder'))
  folder?: string;

  /** A provider of the application's own that sends mails. */
  @IsOptional()
  @IsGood(value => (typeof value === 'function' ? undefined : 'write a class that extends Mailer, and provide it'))
  mailer?: Type<Mailer>;

  /** What the mails say; those that are left out keep the module's own text. */
  @IsOptional()
  @IsGood(value =>
    typeof value === 'object' && value !== null && Object.values(value).every(one => typeof one === 'function')
      ? undefined
      : 'write an object of functions that return { subject, text, html }',
  )
  templates?: Partial<MailTemplates>;

  /** After how many attempts a mail is given up; the time between them grows from seconds to hours. */
  @IsWhole(1, 100)
  maxAttempts?: number;
}

/** The options of `AccountModule.forRoot` and of the factories of `AccountModule.forRootAsync`. */
export class AccountModuleOptions {
  /** The address under which users see the application: what links in mails begin with, never a request's `Host`. */
  @IsGood(baseUrlMistake)
  baseUrl?: string;

  /** What mails call the application. Default: the host of `baseUrl`. */
  @IsOptional()
  @IsGood(value => (isText(value) ? undefined : 'write the name of the application'))
  serviceName?: string;

  @IsOptionsObject(() => AccountPageOptions)
  pages?: AccountPageOptions;

  @IsOptionsObject(() => AccountPasswordOptions)
  password?: AccountPasswordOptions;

  @IsOptionsObject(() => AccountTokenOptions)
  tokens?: AccountTokenOptions;

  @IsOptionsObject(() => AccountAttemptOptions)
  attempts?: AccountAttemptOptions;

  /** Required: who sends, and how. */
  @IsOptionsObject(() => AccountMailOptions)
  mail?: AccountMailOptions;

  /** How long ago the login may be for what needs a recent one (RFC 9470). */
  @IsDuration({ least: '1s' })
  recentLogin?: string;

  /** Whether an account can be logged in to only after its address was verified. */
  @IsOptional()
  @IsBoolean({ message: 'write true or false' })
  requireVerified?: boolean;

  /** The role of new accounts. */
  @IsOptional()
  @IsGood(value => (isText(value) ? undefined : 'write the name of a role'))
  role?: string;
}

/** Options that must be known when the module is declared: given beside `useFactory`, never in its result. */
export interface AccountModuleExtras {
  /** Name of the TypeORM data source: that of SessionModule. */
  dataSource?: string;
  /** Where the routes are mounted; `false` mounts nothing. */
  controller?: { path: string } | false;
  /** The application's own class of accounts, with more columns. */
  entity?: typeof AccountEntity;
  /** The application's own store; `entity` is not used then. */
  store?: Type<AccountStore>;
}

/** What `useClass` and `useExisting` of `AccountModule.forRootAsync` name. */
export interface AccountOptionsFactory {
  createAccountOptions(): AccountModuleOptions | Promise<AccountModuleOptions>;
}
