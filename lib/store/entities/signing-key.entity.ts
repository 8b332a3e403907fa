import type { JsonWebKey } from 'node:crypto';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { TIMESTAMP } from '../../common/columns.js';

/** A signing key, or the generated server secret. Private parts are encrypted under the server secret. */
@Entity({ name: 'jwt_session_key' })
// The election: of all processes that make a key for a period, one inserts it. A distrusted key frees its period.
@Index('jwt_session_key_election_index', ['purpose', 'period'], { unique: true, where: 'distrusted_at IS NULL' })
export class SigningKeyEntity {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'jwt_session_key_pkey' })
  kid!: string;

  @Column({ type: 'text' })
  purpose!: string;

  @Column({ type: 'text' })
  algorithm!: string;

  @Column({ type: 'bigint' })
  period!: string;

  @Column({ name: 'public_jwk', type: 'jsonb' })
  publicJwk!: JsonWebKey;

  @Column({ name: 'encrypted_private_key', type: 'bytea' })
  encryptedPrivateKey!: Buffer;

  @Column({ name: 'publish_at', ...TIMESTAMP })
  publishAt!: Date;

  @Column({ name: 'sign_from', ...TIMESTAMP })
  signFrom!: Date;

  @Column({ name: 'sign_until', ...TIMESTAMP })
  signUntil!: Date;

  /** When the last token signed by it has expired. */
  @Column({ name: 'retire_at', ...TIMESTAMP })
  retireAt!: Date;

  @Column({ name: 'distrusted_at', ...TIMESTAMP, nullable: true })
  distrustedAt!: Date | null;
}
