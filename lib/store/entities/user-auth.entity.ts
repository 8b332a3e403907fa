import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { TIMESTAMP } from '../../common/columns.js';

const PRIMARY_KEY = 'jwt_session_user_auth_pkey';

/**
 * Which tokens of a user count: a token carries the UUID and version it was issued under. A user without a row has
 * version 0 and no UUID. Rows are never deleted: a version that went back would revive old tokens.
 */
@Entity({ name: 'jwt_session_user_auth' })
@Index('jwt_session_user_auth_changed_at_index', ['changedAt', 'userId'])
export class UserAuthEntity {
  @PrimaryColumn({ name: 'user_id', type: 'text', primaryKeyConstraintName: PRIMARY_KEY })
  userId!: string;

  @PrimaryColumn({ name: 'token_type', type: 'text', primaryKeyConstraintName: PRIMARY_KEY })
  tokenType!: 'access' | 'refresh';

  /** That of the user, by which an engine that distributes the table places the row. */
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: PRIMARY_KEY })
  bucket!: number;

  @Column({ type: 'uuid' })
  uuid!: string;

  @Column({ type: 'bigint' })
  version!: string;

  @Column({ name: 'changed_at', ...TIMESTAMP })
  changedAt!: Date;
}
