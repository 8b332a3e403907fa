import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';
import type { Account } from '../account.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/**
 * A user who logs in by e-mail and password. An application that needs more columns extends the class, gives it its own
 * `@Entity` and names it in the option `entity`; the added columns must be nullable or have a default.
 */
@Entity({ name: 'jwt_account' })
@Unique('jwt_account_email_key', ['emailKey'])
@Index('jwt_account_unused_index', ['createdAt'], { where: 'verified_at IS NULL AND first_log_in_at IS NULL' })
export class AccountEntity implements Account {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'jwt_account_pkey' })
  id!: string;

  @Column({ type: 'text' })
  email!: string;

  /** The address without regard to case, in its own column: this needs no extension and no index on an expression. */
  @Column({ name: 'email_key', type: 'text' })
  emailKey!: string;

  /** Selected only by name, so that a handler that returns an account does not disclose it. */
  @Column({ name: 'password_hash', type: 'text', select: false })
  passwordHash!: string;

  @Column({ type: 'text' })
  role!: string;

  @Column({ name: 'verified_at', ...TIMESTAMP, nullable: true })
  verifiedAt!: Date | null;

  @Column({ name: 'disabled_at', ...TIMESTAMP, nullable: true })
  disabledAt!: Date | null;

  @Column({ name: 'first_log_in_at', ...TIMESTAMP, nullable: true })
  firstLogInAt!: Date | null;

  @Column({ name: 'created_at', ...TIMESTAMP })
  createdAt!: Date;
}
