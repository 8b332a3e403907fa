import { interval } from '../../common/sql.js';
import { statement } from '../../common/statement.js';
import type { MailKind, MailRequest } from '../account.types.js';
import type { AccountTables } from './tables.js';

interface MailRow {
  readonly id: string;
  readonly kind: MailKind;
  readonly email: string;
  readonly account_id: string | null;
  readonly session_id: string | null;
  readonly language: string | null;
  readonly attempts: number;
}

export function buildMailStatements({ mail }: AccountTables) {
  return {
    add: statement<MailRequest & { id: string }>(
      'jwt_account_mail_add',
      `INSERT INTO ${mail} (id, kind, email, account_id, session_id, language, attempts, next_attempt_at)
        VALUES (:id, :kind, :email, :accountId, :sessionId, :language, 0, now())`,
    ),
    take: statement<{ lease: number }, MailRow>(
      'jwt_account_mail_take',
      `UPDATE ${mail} SET attempts = attempts + 1, next_attempt_at = now() + ${interval(':lease')}
        WHERE id = (
          SELECT id FROM ${mail} WHERE next_attempt_at <= now() AND failed_at IS NULL
          ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING id, kind, email, account_id, session_id, language, attempts`,
    ),
    remove: statement<{ id: string }>('jwt_account_mail_remove', `DELETE FROM ${mail} WHERE id = :id`),
    retry: statement<{ id: string; delay: number; error: string }>(
      'jwt_account_mail_retry',
      `UPDATE ${mail} SET next_attempt_at = now() + ${interval(':delay')}, last_error = :error WHERE id = :id`,
    ),
    giveUp: statement<{ id: string; error: string }>(
      'jwt_account_mail_give_up',
      `UPDATE ${mail} SET failed_at = now(), last_error = :error WHERE id = :id`,
    ),
    findQueuedEmail: statement<{ accountId: string; kind: MailKind }, { email: string }>(
      'jwt_account_mail_find_queued_email',
      `SELECT email FROM ${mail} WHERE account_id = :accountId AND kind = :kind AND failed_at IS NULL
        ORDER BY id DESC LIMIT 1`,
    ),
    findFormerAddresses: statement<{ accountId: string }, { email: string }>(
      'jwt_account_mail_find_former_addresses',
      `SELECT email FROM ${mail}
        WHERE account_id = :accountId AND kind IN ('email-changed', 'email-changed-again') AND failed_at IS NULL`,
    ),
    removeLinks: statement<{ accountId: string }>(
      'jwt_account_mail_remove_links',
      `DELETE FROM ${mail} WHERE account_id = :accountId AND kind = 'email-change'`,
    ),
    removeAll: statement<{ accountId: string }>(
      'jwt_account_mail_remove_all',
      `DELETE FROM ${mail} WHERE account_id = :accountId`,
    ),
    removeFailed: statement<{ age: number }>(
      'jwt_account_mail_remove_failed',
      `DELETE FROM ${mail} WHERE failed_at < now() - ${interval(':age')}`,
    ),
  };
}
