import { interval } from '../../common/sql.js';
import { statement } from '../../common/statement.js';
import type { LinkPurpose } from '../account.types.js';
import type { NewToken, StoredToken } from './token.store.js';
import type { AccountTables } from './tables.js';

const SUBJECT = 'account_id AS "accountId", email, session_id AS "sessionId"';

export function buildTokenStatements({ token, mail }: AccountTables) {
  return {
    addForMail: statement<NewToken & { mailId: string }>(
      'jwt_account_token_add_for_mail',
      `INSERT INTO ${token} (token_hash, account_id, purpose, email, session_id, expires_at)
        SELECT :hash::bytea, :accountId::text, :purpose::text, :email::text, :sessionId::text,
          now() + ${interval(':lifetime')}
        FROM ${mail} WHERE id = :mailId FOR UPDATE
        RETURNING token_hash`,
    ),
    find: statement<{ hash: Buffer; purpose: LinkPurpose }, StoredToken>(
      'jwt_account_token_find',
      `SELECT ${SUBJECT}, used_at IS NOT NULL AS used
        FROM ${token} WHERE token_hash = :hash AND purpose = :purpose AND expires_at > now()`,
    ),
    use: statement<{ hash: Buffer; purpose: LinkPurpose }, StoredToken>(
      'jwt_account_token_use',
      `UPDATE ${token} AS token SET used_at = COALESCE(former.used_at, now())
        FROM (
          SELECT token_hash, used_at FROM ${token}
          WHERE token_hash = :hash AND purpose = :purpose AND expires_at > now() FOR UPDATE
        ) AS former
        WHERE token.token_hash = former.token_hash
        RETURNING ${SUBJECT}, former.used_at IS NOT NULL AS used`,
    ),
    renew: statement<{ accountId: string; purpose: LinkPurpose; lifetime: number }>(
      'jwt_account_token_renew',
      `UPDATE ${token} SET expires_at = now() + ${interval(':lifetime')}
        WHERE account_id = :accountId AND purpose = :purpose AND used_at IS NULL AND expires_at > now()
        RETURNING token_hash`,
    ),
    findPending: statement<{ accountId: string; purpose: LinkPurpose }, { email: string }>(
      'jwt_account_token_find_pending',
      `SELECT email FROM ${token}
        WHERE account_id = :accountId AND purpose = :purpose AND used_at IS NULL AND expires_at > now()
        ORDER BY expires_at DESC LIMIT 1`,
    ),
    removeUnused: statement<{ accountId: string; purposes: readonly LinkPurpose[] }>(
      'jwt_account_token_remove_unused',
      `DELETE FROM ${token} WHERE account_id = :accountId AND purpose = ANY (:purposes) AND used_at IS NULL`,
    ),
    removeAll: statement<{ accountId: string }>(
      'jwt_account_token_remove_all',
      `DELETE FROM ${token} WHERE account_id = :accountId`,
    ),
    removeExpired: statement('jwt_account_token_remove_expired', `DELETE FROM ${token} WHERE expires_at <= now()`),
  };
}
