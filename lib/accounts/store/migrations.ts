import { NestjsJwtSessionAccounts1764633600000 } from './1764633600000-accounts.js';

// What a new one may do stands in `lib/store/migrations/index.ts`.

/**
 * The tables of accounts: `migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS, …]`. Their names never change.
 */
export const ACCOUNT_MIGRATIONS = [NestjsJwtSessionAccounts1764633600000];
