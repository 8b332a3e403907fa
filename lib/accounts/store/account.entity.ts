import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import type { Account } from '../account.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/**
 * Somebody who logs in by e-mail and password. An application that needs more columns extends the class, gives it an
 * `@Entity` of its own and names it in the option `entity`; columns of its own must be nullable or have a default.
 */
@Entity({ name: 'jwt_account' })
@Unique('jwt_account_email_key', ['emailKey'])
export class AccountEntity implements Account {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'jwt_account_pkey' })
  id!: string;

  @Column({ type: 'text' })
  email!: string;

  /** The address without regard to case, in a column of its own: no extension and no index on an expression. */
  @Column({ name: 'email_key', type: 'text' })
  emailKey!: string;

  /** Read only where it is asked for by name, so that a handler that answers with an account does not tell it. */
  @Column({ name: 'password_hash', type: 'text', select: false })
  passwordHash!: string;

  @Column({ type: 'text' })
  role!: string;

  @Column({ name: 'verified_at', ...TIMESTAMP, nullable: true })
  verifiedAt!: Date | null;

  @Column({ name: 'disabled_at', ...TIMESTAMP, nullable: true })
  disabledAt!: Date | null;

  @Column({ name: 'created_at', ...TIMESTAMP })
  createdAt!: Date;
}
