import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { TIMESTAMP } from '../../common/columns.js';

/**
 * The latest registration of an address, whether or not the address has an account: a login with its password gets the
 * same answer in both cases.
 */
@Entity({ name: 'jwt_account_registration' })
@Index('jwt_account_registration_expires_at_index', ['expiresAt'])
export class AccountRegistrationEntity {
  @PrimaryColumn({ name: 'email_key', type: 'text', primaryKeyConstraintName: 'jwt_account_registration_pkey' })
  emailKey!: string;

  /**
   * Of the password that was chosen. It takes effect when the owner of the address verifies it and knows the password.
   */
  @Column({ name: 'password_hash', type: 'text' })
  passwordHash!: string;

  /** The fields of the application that came with this password, and take effect together with it. */
  @Column({ type: 'jsonb' })
  fields!: Record<string, unknown>;

  @Column({ name: 'expires_at', ...TIMESTAMP })
  expiresAt!: Date;
}
