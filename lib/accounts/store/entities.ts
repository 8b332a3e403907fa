import { AccountAttemptEntity } from './account-attempt.entity.js';
import { AccountMailEntity } from './account-mail.entity.js';
import { AccountRegistrationEntity } from './account-registration.entity.js';
import { AccountTokenEntity } from './account-token.entity.js';
import { AccountEntity } from './account.entity.js';

/** The entities beside the account itself, which may be a class of the application or in its own store. */
export const ACCOUNT_SERVICE_ENTITIES = [
  AccountRegistrationEntity,
  AccountTokenEntity,
  AccountMailEntity,
  AccountAttemptEntity,
];

/** For data sources that list their entities: `entities: [...SESSION_ENTITIES, ...ACCOUNT_ENTITIES, …]`. */
export const ACCOUNT_ENTITIES = [AccountEntity, ...ACCOUNT_SERVICE_ENTITIES];
