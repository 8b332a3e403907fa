import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { LinkPurpose } from '../account.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/** The token of a mail; the database has only its hash. A used one stays until it expires. */
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
  purpose!: LinkPurpose;

  /** The address that the token was sent to. The token proves that its bearer reads the mail of this address alone. */
  @Column({ type: 'text' })
  email!: string;

  /** The session that asked for it, or that the link ends. */
  @Column({ name: 'session_id', type: 'text', nullable: true })
  sessionId!: string | null;

  @Column({ name: 'expires_at', ...TIMESTAMP })
  expiresAt!: Date;

  @Column({ name: 'used_at', ...TIMESTAMP, nullable: true })
  usedAt!: Date | null;
}
