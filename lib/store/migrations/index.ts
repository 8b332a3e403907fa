import { NestjsJwtSession1764547200000 } from './1764547200000-jwt-session.js';

/** The module's migrations: `migrations: [...SESSION_MIGRATIONS, …]`. Their names never change. */
export const SESSION_MIGRATIONS = [NestjsJwtSession1764547200000];
