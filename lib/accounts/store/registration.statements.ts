import { interval } from '../../common/sql.js';
import { statement } from '../../common/statement.js';
import type { AccountTables } from './tables.js';

export function buildRegistrationStatements({ registration }: AccountTables) {
  return {
    put: statement<{ emailKey: string; passwordHash: string; lifetime: number }>(
      'jwt_account_registration_put',
      `INSERT INTO ${registration} (email_key, password_hash, expires_at)
        VALUES (:emailKey, :passwordHash, now() + ${interval(':lifetime')})
        ON CONFLICT (email_key) DO UPDATE SET password_hash = excluded.password_hash, expires_at = excluded.expires_at`,
    ),
    find: statement<{ emailKey: string }, { password_hash: string }>(
      'jwt_account_registration_find',
      `SELECT password_hash FROM ${registration} WHERE email_key = :emailKey AND expires_at > now()`,
    ),
    remove: statement<{ emailKey: string }>(
      'jwt_account_registration_remove',
      `DELETE FROM ${registration} WHERE email_key = :emailKey`,
    ),
    removeExpired: statement(
      'jwt_account_registration_remove_expired',
      `DELETE FROM ${registration} WHERE expires_at <= now()`,
    ),
  };
}
