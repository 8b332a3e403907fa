import type { Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { Schedule } from '../common/schedule.js';
import { Attempts } from './account.attempts.js';
import { AccountClaims } from './account.claims.js';
import { AccountEvents } from './account.events.js';
import { AccountLifecycle } from './account.lifecycle.js';
import { AccountService } from './account.service.js';
import { MailComposer } from './mail/composer.js';
import { FolderMailer } from './mail/folder-mailer.js';
import { MailTokens } from './mail/mail-tokens.js';
import { Mailer } from './mail/mailer.js';
import { Outbox } from './mail/outbox.js';
import { ProvidedMailer } from './mail/provided-mailer.js';
import { SmtpMailer } from './mail/smtp-mailer.js';
import { AccountAdmin } from './operations/account-admin.js';
import { AccountEditor } from './operations/account-editor.js';
import { EmailChange } from './operations/email-change.js';
import { LogIn } from './operations/log-in.js';
import { PasswordChange } from './operations/password-change.js';
import { PasswordCheck } from './operations/password-check.js';
import { PasswordRecovery } from './operations/password-recovery.js';
import { Registration } from './operations/registration.js';
import { ResolvedAccountOptions } from './options/resolve-account-options.js';
import { Argon2Hasher } from './passwords/argon2-hasher.js';
import { PasswordHasher } from './passwords/password-hasher.js';
import { PasswordPolicy } from './passwords/password-policy.js';
import { AccountDatabase } from './store/account.database.js';
import { AttemptStore } from './store/attempt.store.js';
import { MailStore } from './store/mail.store.js';
import { TokenStore } from './store/token.store.js';

// The module's parts by layer; each layer uses those above it.

const runtime = [SessionClock, SessionTimers, Schedule, AccountEvents];

const store = [AccountDatabase, TokenStore, MailStore, AttemptStore];

const passwords: Provider[] = [
  PasswordPolicy,
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
  LogIn,
  PasswordChange,
  PasswordRecovery,
  EmailChange,
  AccountAdmin,
];

export const ACCOUNT_PROVIDERS: Provider[] = [
  ...runtime,
  ...store,
  ...passwords,
  ...mail,
  ...operations,
  AccountClaims,
  AccountService,
  AccountLifecycle,
];
