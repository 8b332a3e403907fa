export {
  AccountDisabledError,
  AccountError,
  type AccountErrorCode,
  EmailNotVerifiedError,
  EmailTakenError,
  type InputMistake,
  InvalidCredentialsError,
  InvalidInputError,
  TokenInvalidError,
  TooManyAttemptsError,
} from './account.errors.js';
export type { Account, AccountChanges, AccountTransaction, MailKind } from './account.types.js';
export { AccountStore } from './store/account.store.js';
export { TypeOrmAccountStore } from './store/typeorm-account.store.js';
export { type AttemptRecord, AttemptStore } from './store/attempt.store.js';
export { AccountAttemptEntity } from './store/account-attempt.entity.js';
export { AccountEntity } from './store/account.entity.js';
export { AccountMailEntity } from './store/account-mail.entity.js';
export { AccountTokenEntity } from './store/account-token.entity.js';
export { ACCOUNT_ENTITIES } from './store/entities.js';
export { ACCOUNT_MIGRATIONS } from './store/migrations.js';
