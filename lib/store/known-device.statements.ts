import { interval, milliseconds } from '../common/sql.js';
import { statement } from '../common/statement.js';
import type { SessionTables } from './tables.js';

/** How many devices of a user are known. A login on a further one forgets the one that was seen longest ago. */
const MAX_DEVICES = 20;

/** A device is recognised this long after its last login: as long as browsers keep the cookie. */
const DEVICE_TTL_MS = 31_536_000_000;

const BATCH_SIZE = 1_000;

const OF_USER = 'd.user_id = :userId AND d.bucket = :bucket';
const IS_RECENT = `d.last_seen_at > now() - ${interval(String(DEVICE_TTL_MS))}`;

/** The device of a login. */
export interface DeviceValues {
  /** Of the tokens that the client sent. */
  readonly deviceHashes: readonly Buffer[];
  /** Stored where none of them is the user's. */
  readonly newDeviceHash: Buffer;
}

/** What a login has found. */
export interface DeviceColumns {
  /** Of the token by which the device is known to the user; null for none. */
  readonly device_hash: Buffer | null;
  /** Whether the user had known devices before. */
  readonly has_devices: boolean;
}

/**
 * CTEs after `created`, the session that a login inserts: they find its device among those of the user, and keep it. Rows
 * that another login has locked are left out, so that no login waits for another one.
 */
export function knowDevice({ device }: SessionTables): string {
  return `devices AS (
      SELECT d.hash, d.hash = ANY(:deviceHashes::bytea[]) AND ${IS_RECENT} AS is_known,
        row_number() OVER (ORDER BY d.last_seen_at DESC, d.hash) AS place
      FROM ${device} d WHERE ${OF_USER}
    ), known AS (
      SELECT hash FROM devices WHERE is_known ORDER BY place LIMIT 1
    ), returning_device AS (
      SELECT d.hash FROM ${device} d
      WHERE ${OF_USER} AND d.hash = (SELECT hash FROM known) AND EXISTS (SELECT 1 FROM created)
      FOR NO KEY UPDATE SKIP LOCKED
    ), seen AS (
      UPDATE ${device} d SET last_seen_at = now()
      FROM returning_device WHERE ${OF_USER} AND d.hash = returning_device.hash
    ), surplus AS (
      SELECT d.hash FROM ${device} d
      WHERE ${OF_USER} AND d.hash IN (SELECT hash FROM devices WHERE place >= ${MAX_DEVICES})
        AND NOT EXISTS (SELECT 1 FROM known) AND EXISTS (SELECT 1 FROM created)
      FOR UPDATE SKIP LOCKED
    ), forgotten AS (
      DELETE FROM ${device} d USING surplus WHERE ${OF_USER} AND d.hash = surplus.hash
    ), added AS (
      INSERT INTO ${device} (user_id, bucket, hash, session_id, last_seen_at)
      SELECT :userId::text, :bucket::smallint, :newDeviceHash::bytea, created.id, now()
      FROM created WHERE NOT EXISTS (SELECT 1 FROM known)
    )`;
}

/** The columns of `DeviceColumns`. */
export const DEVICE_FOUND = `(SELECT hash FROM known) AS device_hash,
    EXISTS (SELECT 1 FROM devices) AS has_devices`;

/** A CTE that forgets all devices of a user, if the condition holds. */
export function forgetDevices({ device }: SessionTables, condition: string): string {
  return `DELETE FROM ${device} d WHERE ${OF_USER} AND ${condition}`;
}

export function buildKnownDeviceStatements(tables: SessionTables) {
  const { device } = tables;
  // The one that was seen last stays: a login by somebody else after years is one on a new device.
  const hasEnded = `NOT ${IS_RECENT} AND EXISTS (
      SELECT 1 FROM ${device} later
      WHERE later.user_id = d.user_id AND later.bucket = d.bucket AND later.last_seen_at > d.last_seen_at)`;
  return {
    find: statement<{ userId: string; hashes: readonly Buffer[] }, { hash: Buffer }>(
      'jwt_session_device_find',
      `SELECT d.hash FROM ${device} d WHERE ${OF_USER} AND d.hash = ANY(:hashes::bytea[]) AND ${IS_RECENT}
        ORDER BY d.last_seen_at DESC LIMIT 1`,
    ),
    list: statement<{ userId: string }, { sessionId: string; lastSeenAt: number }>(
      'jwt_session_device_list',
      `SELECT d.session_id AS "sessionId", ${milliseconds('d.last_seen_at')} AS "lastSeenAt"
        FROM ${device} d WHERE ${OF_USER} ORDER BY d.last_seen_at DESC, d.hash`,
    ),
    forget: statement<{ userId: string; of: string | undefined; except: readonly Buffer[] }, { hash: Buffer }>(
      'jwt_session_device_forget',
      `${forgetDevices(tables, `d.session_id = COALESCE(:of::uuid, d.session_id) AND d.hash <> ALL (:except::bytea[])`)}
        RETURNING d.hash`,
    ),
    count: statement<object, { count: string }>(
      'jwt_session_device_count',
      `SELECT count(*) FROM ${device} d WHERE ${hasEnded}`,
    ),
    // In the order of the primary key, a page at a time.
    remove: statement<{ afterUser: string; afterHash: Buffer }, RemovedDevices>(
      'jwt_session_device_remove',
      `WITH batch AS (
          SELECT d.user_id, d.hash, d.bucket FROM ${device} d WHERE (d.user_id, d.hash) > (:afterUser::text, :afterHash::bytea)
          ORDER BY d.user_id, d.hash LIMIT ${BATCH_SIZE}
        ), removed AS (
          DELETE FROM ${device} d USING batch
          WHERE d.user_id = batch.user_id AND d.hash = batch.hash AND d.bucket = batch.bucket AND ${hasEnded} RETURNING d.hash
        )
        SELECT batch.user_id, batch.hash, (SELECT count(*) FROM removed) AS removed
        FROM batch ORDER BY user_id DESC, hash DESC LIMIT 1`,
    ),
  };
}

export interface RemovedDevices {
  readonly user_id: string;
  readonly hash: Buffer;
  readonly removed: string;
}
