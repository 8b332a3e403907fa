import type { Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { Schedule } from '../common/schedule.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { Attempts } from './account.attempts.js';
import { AccountClaims } from './account.claims.js';
import { AccountEvents } from './account.events.js';
import { AccountLifecycle } from './account.lifecycle.js';
import { AccountService } from './account.service.js';
import { AccountTelemetry } from './account.telemetry.js';
import { MailComposer } from './mail/composer.js';
import { FolderMailer } from './mail/folder-mailer.js';
import { MailTokens } from './mail/mail-tokens.js';
import { Mailer } from './mail/mailer.js';
import { Outbox } from './mail/outbox.js';
import { ProvidedMailer } from './mail/provided-mailer.js';
import { SmtpMailer } from './mail/smtp-mailer.js';
import { AccountRecheck } from './operations/account-recheck.js';
import { AccountAdmin } from './operations/account-admin.js';
import { AccountEditor } from './operations/account-editor.js';
import { AccountCleanUp } from './operations/clean-up.js';
import { EmailChange } from './operations/email-change.js';
import { LogIn } from './operations/log-in.js';
import { LogInAttempts } from './operations/log-in-attempts.js';
import { PasswordCheck } from './operations/password-check.js';
import { Passwords } from './operations/passwords.js';
import { Registration } from './operations/registration.js';
import { SignInNotices } from './operations/sign-in-notices.js';
import { Verification } from './operations/verification.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';
import { Argon2Hasher } from './passwords/argon2-hasher.js';
import { NewPasswords } from './passwords/new-passwords.js';
import { PasswordHasher } from './passwords/password-hasher.js';
import { PasswordLoad } from './passwords/password-load.js';
import { PasswordPolicy } from './passwords/password-policy.js';
import { AccountDatabase } from './store/account.database.js';
import { AttemptStore } from './store/attempt.store.js';
import { MailStore } from './store/mail.store.js';
import { RegistrationStore } from './store/registration.store.js';
import { TokenStore } from './store/token.store.js';

// The module's parts by layer; each layer uses those above it.

const runtime = [
  SessionClock,
  SessionTimers,
  Schedule,
  AccountEvents,
  Telemetry.providerFor('AccountModule', ResolvedAccountOptions),
];

const store = [AccountDatabase, RegistrationStore, TokenStore, MailStore, AttemptStore];

const passwords: Provider[] = [
  PasswordPolicy,
  PasswordLoad,
  NewPasswords,
  {
    provide: PasswordHasher,
    inject: [ResolvedAccountOptions],
    useFactory: ({ password }: ResolvedAccountOptions) => new Argon2Hasher(password),
  },
];

const mail: Provider[] = [
  MailTokens,
  MailComposer,
  {
    provide: Mailer,
    inject: [ResolvedAccountOptions, ModuleRef],
    useFactory: ({ mail: { mailer, smtp, folder } }: ResolvedAccountOptions, moduleRef: ModuleRef) => {
      if (mailer) return new ProvidedMailer(mailer, moduleRef);
      return smtp === undefined ? new FolderMailer(folder) : new SmtpMailer(smtp);
    },
  },
  Outbox,
];

const operations = [
  Attempts,
  AccountEditor,
  PasswordCheck,
  Registration,
  Verification,
  LogInAttempts,
  SignInNotices,
  AccountRecheck,
  LogIn,
  Passwords,
  EmailChange,
  AccountAdmin,
  AccountCleanUp,
];

export const ACCOUNT_PROVIDERS: Provider[] = [
  ...runtime,
  ...store,
  ...passwords,
  ...mail,
  ...operations,
  AccountClaims,
  AccountService,
  AccountTelemetry,
  AccountLifecycle,
];
