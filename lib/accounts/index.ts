export { AccountModule, type AccountModuleAsyncOptions } from './account.module.js';
export { AccountService } from './account.service.js';
export { AccountController } from './account.controller.js';
export {
  AccountErrorResponse,
  AccountExportResponse,
  AccountLogInResponse,
  AccountResponse,
  EmailResponse,
} from './account.responses.js';
export { AccountClaims } from './account.claims.js';
export { AccountRecentLoginGuard } from './account.guard.js';

export type { Caller } from './account.attempts.js';
export type { AccountEvent } from './account.events.js';
export {
  AccountDisabledError,
  AccountError,
  type AccountErrorCode,
  EmailNotVerifiedError,
  EmailTakenError,
  type InputMistake,
  InvalidCredentialsError,
  InvalidInputError,
  PasswordMismatchError,
  RecoveryRequiredError,
  TokenInvalidError,
  TokenUsedError,
  TooManyAttemptsError,
} from './account.errors.js';
export {
  ChangeEmailDto,
  ChangePasswordDto,
  ConfirmEmailDto,
  CredentialsDto,
  EmailDto,
  LogInDto,
  PasswordDto,
  ResetPasswordDto,
  TokenDto,
  VerifyEmailDto,
} from './account.input.js';
export type { Account, AccountChanges, AccountTransaction, AccountView, MailKind } from './account.types.js';
export type { AccountExport } from './operations/account-admin.js';

export type {
  AccountAttemptOptions,
  AccountMailOptions,
  AccountModuleOptions,
  AccountOptionsFactory,
  AccountPageOptions,
  AccountPasswordOptions,
  AccountTokenOptions,
  AttemptLimit,
  SmtpOptions,
} from './options/account-options.js';
export type { AccountModuleExtras, AccountModuleImports } from './options/static-account-options.js';

export { type Mail, Mailer } from './mail/mailer.js';
export {
  escapeHtml,
  type MailContent,
  type MailContext,
  type MailTemplate,
  type MailTemplates,
  type SignIn,
} from './mail/templates.js';
export { Argon2Hasher, type Argon2Settings } from './passwords/argon2-hasher.js';
export { PasswordHasher } from './passwords/password-hasher.js';

export { AccountStore } from './store/account.store.js';
export { TypeOrmAccountStore } from './store/typeorm-account.store.js';
export { type AttemptRecord, AttemptStore } from './store/attempt.store.js';
export { AccountAttemptEntity } from './store/account-attempt.entity.js';
export { AccountEntity } from './store/account.entity.js';
export { AccountMailEntity } from './store/account-mail.entity.js';
export { AccountRegistrationEntity } from './store/account-registration.entity.js';
export { AccountTokenEntity } from './store/account-token.entity.js';
export { ACCOUNT_ENTITIES } from './store/entities.js';
export { ACCOUNT_MIGRATIONS } from './store/migrations.js';
