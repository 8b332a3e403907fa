import { Column, Entity, PrimaryColumn } from 'typeorm';
import { TIMESTAMP } from '../../common/columns.js';

const PRIMARY_KEY = 'jwt_session_device_pkey';

/** A device on which a user has logged in, where devices are recognised. Each row has a token of its own. */
@Entity({ name: 'jwt_session_device' })
export class KnownDeviceEntity {
  @PrimaryColumn({ name: 'user_id', type: 'text', primaryKeyConstraintName: PRIMARY_KEY })
  userId!: string;

  /** The first 16 bytes of the SHA-256 of its token. */
  @PrimaryColumn({ type: 'bytea', primaryKeyConstraintName: PRIMARY_KEY })
  hash!: Buffer;

  /** That of the user, by which an engine that distributes the table places the row. */
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: PRIMARY_KEY })
  bucket!: number;

  /** The session by whose login the device became known. */
  @Column({ name: 'session_id', type: 'uuid' })
  sessionId!: string;

  /** The last login. */
  @Column({ name: 'last_seen_at', ...TIMESTAMP })
  lastSeenAt!: Date;
}
