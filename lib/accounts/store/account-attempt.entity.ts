import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { TIMESTAMP } from '../../common/columns.js';

/** A counter of attempts, shared by all processes. */
@Entity({ name: 'jwt_account_attempt' })
@Index('jwt_account_attempt_expires_at_index', ['expiresAt'])
export class AccountAttemptEntity {
  /** A hash: neither addresses nor clients can be read from it. */
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'jwt_account_attempt_pkey' })
  key!: string;

  @Column({ type: 'integer' })
  hits!: number;

  @Column({ name: 'expires_at', ...TIMESTAMP })
  expiresAt!: Date;

  @Column({ name: 'blocked_until', ...TIMESTAMP, nullable: true })
  blockedUntil!: Date | null;
}
