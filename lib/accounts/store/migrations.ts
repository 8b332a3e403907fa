import { NestjsJwtSessionAccounts1764633600000 } from './1764633600000-accounts.js';

// The rules for a new one are in `lib/store/migrations/index.ts`.

/**
 * The tables of accounts: `migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS, …]`. Their names never change.
 */
export const ACCOUNT_MIGRATIONS = [NestjsJwtSessionAccounts1764633600000];
