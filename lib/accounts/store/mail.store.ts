import { Injectable } from '@nestjs/common';
import type { AccountTransaction, MailKind, MailRequest } from '../account.types.js';
import { AccountDatabase } from './account.database.js';
import { buildMailStatements } from './mail.statements.js';

export interface QueuedMail extends MailRequest {
  readonly id: string;
  /** This one included. */
  readonly attempts: number;
}

/** The queue of mails, shared by all processes. */
@Injectable()
export class MailStore {
  constructor(private readonly database: AccountDatabase) {}

  /** @param queued called after the commit of the transaction, when every process can see the mail */
  async add(id: string, mail: MailRequest, transaction: AccountTransaction, queued: () => void): Promise<void> {
    await this.database.query(this.sql.add, { ...mail, id }, transaction);
    this.database.onCommit(transaction, queued);
  }

  /**
   * Takes the mail that has waited longest. No other process takes it during `lease`; a mail of a process that dies is
   * taken again after that.
   */
  async take(lease: number): Promise<QueuedMail | undefined> {
    const [row] = await this.database.query(this.sql.take, { lease });
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
    await this.database.query(this.sql.remove, { id });
  }

  async retry(id: string, delay: number, error: string): Promise<void> {
    await this.database.query(this.sql.retry, { id, delay, error });
  }

  /** The row stays for a week, to be looked at. */
  async giveUp(id: string, error: string): Promise<void> {
    await this.database.query(this.sql.giveUp, { id, error });
  }

  /** The address in the newest queued mail of that kind. */
  async findQueuedEmail(
    accountId: string,
    kind: MailKind,
    transaction?: AccountTransaction,
  ): Promise<string | undefined> {
    const [mail] = await this.database.query(this.sql.findQueuedEmail, { accountId, kind }, transaction);
    return mail?.email;
  }

  /** The addresses that queued mails tell of a change of the address. */
  async findFormerAddresses(accountId: string, transaction: AccountTransaction): Promise<string[]> {
    const mails = await this.database.query(this.sql.findFormerAddresses, { accountId }, transaction);
    return mails.map(({ email }) => email);
  }

  /** Removes the queued mails that would bring a new link of the account to another address. */
  async removeLinksOf(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(this.sql.removeLinks, { accountId }, transaction);
  }

  async removeAllOf(accountId: string, transaction: AccountTransaction): Promise<void> {
    await this.database.query(this.sql.removeAll, { accountId }, transaction);
  }

  async removeFailed(age: number): Promise<void> {
    await this.database.query(this.sql.removeFailed, { age });
  }

  private get sql() {
    return this.database.statements(buildMailStatements);
  }
}
