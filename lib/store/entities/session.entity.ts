import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { KeyKind } from '../../rules/session-key.js';
import type { SessionClaims, SessionData } from '../../session.types.js';
import { TIMESTAMP } from '../../common/columns.js';

/**
 * One session of one user on one device. The row keeps the hashes of the refresh tokens that count, and no history.
 * No column that refreshing changes is indexed, so that updates stay heap-only. Columns of a fixed width come first, so
 * that a row has no padding.
 */
@Entity({ name: 'jwt_session' })
@Index('jwt_session_active_user_index', ['userId'], { where: 'revoked_at IS NULL' })
@Index('jwt_session_actor_index', ['actorSessionId'], {
  where: 'actor_session_id IS NOT NULL AND revoked_at IS NULL',
})
@Index('jwt_session_revoked_at_index', ['revokedAt', 'id'], { where: 'revoked_at IS NOT NULL' })
@Index('jwt_session_claims_changed_at_index', ['claimsChangedAt', 'id'], { where: 'claims_changed_at IS NOT NULL' })
export class SessionEntity {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'jwt_session_pkey' })
  id!: string;

  /**
   * The user-auth UUID at issue, null for a user without one: where it is no longer the user's, the session cannot be
   * refreshed.
   */
  @Column({ name: 'refresh_auth_uuid', type: 'uuid', nullable: true })
  refreshAuthUuid!: string | null;

  /** The session of the actor whose impersonation of the user this is; null for a session of the user's own. */
  @Column({ name: 'actor_session_id', type: 'uuid', nullable: true })
  actorSessionId!: string | null;

  /**
   * When the user logged in: a new login of the same user begins a new session. In an impersonation it is when the actor
   * did, so that an impersonation is no recent login.
   */
  @Column({ name: 'created_at', ...TIMESTAMP })
  createdAt!: Date;

  @Column({ name: 'last_seen_at', ...TIMESTAMP })
  lastSeenAt!: Date;

  @Column({ name: 'expires_at', ...TIMESTAMP })
  expiresAt!: Date;

  @Column({ name: 'absolute_expires_at', ...TIMESTAMP, nullable: true })
  absoluteExpiresAt!: Date | null;

  @Column({ name: 'leeway_until', ...TIMESTAMP })
  leewayUntil!: Date;

  /** When `setClaims` last raised the token version. */
  @Column({ name: 'claims_changed_at', ...TIMESTAMP, nullable: true })
  claimsChangedAt!: Date | null;

  @Column({ name: 'revoked_at', ...TIMESTAMP, nullable: true })
  revokedAt!: Date | null;

  /** That of the login; null for that of the option. */
  @Column({ name: 'idle_lifetime', type: 'interval', nullable: true })
  idleLifetime!: object | null;

  /** The newest generation known to have reached the client. */
  @Column({ type: 'integer' })
  generation!: number;

  @Column({ name: 'token_version', type: 'integer', default: 0 })
  tokenVersion!: number;

  /** That of the user, by which an engine that distributes the table places the row. The id carries it. */
  @PrimaryColumn({ type: 'smallint', primaryKeyConstraintName: 'jwt_session_pkey' })
  bucket!: number;

  /** Whether cookies outlive the browser; null is yes. */
  @Column({ type: 'boolean', nullable: true })
  remember!: boolean | null;

  @Column({ name: 'user_id', type: 'text' })
  userId!: string;

  @Column({ name: 'token_hash', type: 'bytea' })
  tokenHash!: Buffer;

  /** Generation + 1, minted but not yet seen in use. */
  @Column({ name: 'successor_hash', type: 'bytea', nullable: true })
  successorHash!: Buffer | null;

  @Column({ name: 'successor_salt', type: 'bytea', nullable: true })
  successorSalt!: Buffer | null;

  /** Generation - 1, and the salt that made the current generation from it. */
  @Column({ name: 'previous_hash', type: 'bytea', nullable: true })
  previousHash!: Buffer | null;

  @Column({ name: 'previous_salt', type: 'bytea', nullable: true })
  previousSalt!: Buffer | null;

  /** The SHA-256 thumbprint (RFC 7638) of the key that refreshing must prove. */
  @Column({ name: 'key_thumbprint', type: 'bytea', nullable: true })
  keyThumbprint!: Buffer | null;

  /** The same of a key that was registered and is not yet known to be in use. */
  @Column({ name: 'key_offered', type: 'bytea', nullable: true })
  keyOffered!: Buffer | null;

  /** How either key is proved. */
  @Column({ name: 'key_kind', type: 'text', nullable: true })
  keyKind!: KeyKind | null;

  /**
   * The letter of the last refresh's case (docs/protocol.md): the refresh statement's answer, and a trace for support.
   */
  @Column({ name: 'last_case', type: 'text', nullable: true })
  lastCase!: string | null;

  @Column({ type: 'jsonb' })
  claims!: SessionClaims;

  @Column({ type: 'jsonb', nullable: true })
  data!: SessionData | null;

  @Column({ type: 'text', nullable: true })
  label!: string | null;

  @Column({ name: 'user_agent', type: 'text', nullable: true })
  userAgent!: string | null;

  /** What a binding compares where the user agent itself is not stored: 16 bytes of its SHA-256. */
  @Column({ name: 'user_agent_hash', type: 'bytea', nullable: true })
  userAgentHash!: Buffer | null;

  @Column({ type: 'text', nullable: true })
  ip!: string | null;

  @Column({ name: 'actor_user_id', type: 'text', nullable: true })
  actorUserId!: string | null;

  /** Why the actor impersonates the user. */
  @Column({ name: 'actor_reason', type: 'text', nullable: true })
  actorReason!: string | null;

  @Column({ name: 'revoked_reason', type: 'text', nullable: true })
  revokedReason!: string | null;
}
