import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { MailKind } from '../account.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/** A mail that waits to be sent. Its text is made when it is sent, so that no token ever lies here. */
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

  @Column({ name: 'password_hash', type: 'text', nullable: true })
  passwordHash!: string | null;

  @Column({ type: 'integer' })
  attempts!: number;

  @Column({ name: 'next_attempt_at', ...TIMESTAMP })
  nextAttemptAt!: Date;

  /** What the last attempt failed of. */
  @Column({ name: 'last_error', type: 'text', nullable: true })
  lastError!: string | null;

  /** When it was given up. */
  @Column({ name: 'failed_at', ...TIMESTAMP, nullable: true })
  failedAt!: Date | null;
}
