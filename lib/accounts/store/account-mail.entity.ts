import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { MailKind } from '../account.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/** A queued mail. Its text is written when it is sent, so that no token is ever stored here. */
@Entity({ name: 'jwt_account_mail' })
@Index('jwt_account_mail_due_index', ['nextAttemptAt'], { where: 'failed_at IS NULL' })
export class AccountMailEntity {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'jwt_account_mail_pkey' })
  id!: string;

  @Column({ type: 'text' })
  kind!: MailKind;

  @Column({ type: 'text' })
  email!: string;

  @Column({ name: 'account_id', type: 'text', nullable: true })
  accountId!: string | null;

  /** The session that asked for it, or that it is about. */
  @Column({ name: 'session_id', type: 'text', nullable: true })
  sessionId!: string | null;

  /** The language that the client prefers. */
  @Column({ type: 'text', nullable: true })
  language!: string | null;

  @Column({ type: 'integer' })
  attempts!: number;

  @Column({ name: 'next_attempt_at', ...TIMESTAMP })
  nextAttemptAt!: Date;

  /** Why the last attempt failed. */
  @Column({ name: 'last_error', type: 'text', nullable: true })
  lastError!: string | null;

  /** When it was given up. */
  @Column({ name: 'failed_at', ...TIMESTAMP, nullable: true })
  failedAt!: Date | null;
}
