import { NestjsJwtSessionAccounts1764633600000 } from './1764633600000-accounts.js';

/** The tables of accounts: `migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS, …]`. Their names never change. */
export const ACCOUNT_MIGRATIONS = [NestjsJwtSessionAccounts1764633600000];
