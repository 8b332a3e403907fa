import { AccountAttemptEntity } from './account-attempt.entity.js';
import { AccountMailEntity } from './account-mail.entity.js';
import { AccountTokenEntity } from './account-token.entity.js';
import { AccountEntity } from './account.entity.js';

/** The entities beside the accounts themselves, which may be of the application's own class or in its own store. */
export const ACCOUNT_SERVICE_ENTITIES = [AccountTokenEntity, AccountMailEntity, AccountAttemptEntity];

/** For data sources that list their entities: `entities: [...SESSION_ENTITIES, ...ACCOUNT_ENTITIES, …]`. */
export const ACCOUNT_ENTITIES = [AccountEntity, ...ACCOUNT_SERVICE_ENTITIES];
