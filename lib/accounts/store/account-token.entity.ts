import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { TokenPurpose } from '../account.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/** A token that was sent by mail: its hash only. The row goes when it is used. */
@Entity({ name: 'jwt_account_token' })
@Index('jwt_account_token_account_index', ['accountId'])
@Index('jwt_account_token_expires_at_index', ['expiresAt'])
export class AccountTokenEntity {
  @PrimaryColumn({ name: 'token_hash', type: 'bytea', primaryKeyConstraintName: 'jwt_account_token_pkey' })
  tokenHash!: Buffer;

  /** Text, because an application's own accounts may have ids of any form. */
  @Column({ name: 'account_id', type: 'text' })
  accountId!: string;

  @Column({ type: 'text' })
  purpose!: TokenPurpose;

  /** The address that the token was sent to: it proves that its bearer reads the mail of this one, and of no other. */
  @Column({ type: 'text' })
  email!: string;

  /** The password that was chosen with the registration which the token confirms. */
  @Column({ name: 'password_hash', type: 'text', nullable: true })
  passwordHash!: string | null;

  @Column({ name: 'expires_at', ...TIMESTAMP })
  expiresAt!: Date;
}
