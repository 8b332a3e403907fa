import { interval } from '../../common/sql.js';
import { statement } from '../../common/statement.js';
import type { AccountTables } from './tables.js';

export function buildRegistrationStatements({ registration }: AccountTables) {
  return {
    put: statement<{ emailKey: string; passwordHash: string; fields: string; lifetime: number }>(
      'jwt_account_registration_put',
      `INSERT INTO ${registration} (email_key, password_hash, fields, expires_at)
        VALUES (:emailKey, :passwordHash, :fields::jsonb, now() + ${interval(':lifetime')})
        ON CONFLICT (email_key) DO UPDATE SET
          password_hash = excluded.password_hash, fields = excluded.fields, expires_at = excluded.expires_at`,
    ),
    // The fields as text: the application may have set a parser for jsonb.
    find: statement<{ emailKey: string }, { passwordHash: string; fields: string }>(
      'jwt_account_registration_find',
      `SELECT password_hash AS "passwordHash", fields::text AS fields
        FROM ${registration} WHERE email_key = :emailKey AND expires_at > now()`,
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
