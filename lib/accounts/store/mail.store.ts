import { Injectable } from '@nestjs/common';
import type { AccountTransaction, MailKind, MailRequest } from '../account.types.js';
import { interval } from '../../common/sql.js';
import { AccountDatabase } from './account.database.js';

export interface QueuedMail extends MailRequest {
  readonly id: string;
  /** This one included. */
  readonly attempts: number;
}

interface Row {
  readonly id: string;
  readonly kind: MailKind;
  readonly email: string;
  readonly account_id: string | null;
  readonly session_id: string | null;
  readonly language: string | null;
  readonly attempts: number;
}

/** The queue of mails, shared by all processes. */
@Injectable()
export class MailStore {
  constructor(private readonly database: AccountDatabase) {}

  /** @param queued called after the commit of the transaction, when every process can see the mail */
  async add(id: string, mail: MailRequest, transaction: AccountTransaction, queued: () => void): Promise<void> {
    const { kind, email, accountId = null, sessionId = null, language = null } = mail;
    await this.database.query(
      `INSERT INTO ${this.table} (id, kind, email, account_id, session_id, language, attempts, next_attempt_at)
       VALUES ($1, $2, $3, $4, $5, $6, 0, now())`,
      [id, kind, email, accountId, sessionId, language],
      transaction,
    );
    this.database.onCommit(transaction, queued);
  }

  /**
   * Takes the mail that has waited longest. No other process takes it during `lease`; a mail of a process that dies is
   * taken again after that.
   */
  async take(lease: number): Promise<QueuedMail | undefined> {
    const [row] = await this.database.query<Row>(
      `UPDATE ${this.table} SET attempts = attempts + 1, next_attempt_at = now() + ${interval('$1')}
       WHERE id = (
         SELECT id FROM ${this.table} WHERE next_attempt_at <= now() AND failed_at IS NULL
         ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
       )
       RETURNING id, kind, email, account_id, session_id, language, attempts`,
      [lease],
    );
    if (!row) return undefined;
    const { id, kind, email, account_id, session_id, language, attempts } = row;
    return {
      id,
      kind,
      email,
      accountId: account_id ?? undefined,
      sessionId: session_id ?? undefined,
      language: language ?? undefined,
      attempts,
    };
  }

  async remove(id: string): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE id = $1`, [id]);
  }

  async retry(id: string, delay: number, error: string): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET next_attempt_at = now() + ${interval('$2')}, last_error = $3 WHERE id = $1`,
      [id, delay, error],
    );
  }

  /** The row stays for a week, to be looked at. */
  async giveUp(id: string, error: string): Promise<void> {
    await this.database.query(`UPDATE ${this.table} SET failed_at = now(), last_error = $2 WHERE id = $1`, [id, error]);
  }

  /** The address in the newest queued mail of that kind. */
  async findQueuedEmail(
    accountId: string,
    kind: MailKind,
    transaction?: AccountTransaction,
  ): Promise<string | undefined> {
    const [mail] = await this.database.query<{ email: string }>(
      `SELECT email FROM ${this.table} WHERE account_id = $1 AND kind = $2 AND failed_at IS NULL
       ORDER BY id DESC LIMIT 1`,
      [accountId, kind],
      transaction,
    );
    return mail?.email;
  }

  /** Removes the queued mails that would bring a new link of the account to another address. */
  async removeLinksOf(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(
      `DELETE FROM ${this.table} WHERE account_id = $1 AND kind = 'email-change'`,
      [accountId],
      transaction,
    );
  }

  async removeAllOf(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE account_id = $1`, [accountId], transaction);
  }

  async removeFailed(age: number): Promise<void> {
    await this.database.query(`DELETE FROM ${this.table} WHERE failed_at < now() - ${interval('$1')}`, [age]);
  }

  private get table(): string {
    return this.database.tables.mail;
  }
}
