import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { send } from './client.js';
import type { TestDatabase } from './database.js';
import type { TestApp } from './test-app.js';
import { until } from './until.js';

/** The answer of a guarded route to a token: `accepted`, or the error's code. */
export async function me({ url }: { readonly url: string }, token: string): Promise<string> {
  const { body } = await send(`${url}/me`, { headers: { authorization: `Bearer ${token}` } });
  return body.errorCode ?? 'accepted';
}

export function feedOf({ app }: TestApp): RevocationFeed {
  return app.get(RevocationFeed, { strict: false });
}

/** Returns once notifications arrive. */
export function untilListening({ sessions }: TestApp): Promise<void> {
  return until(async () => (await sessions.status()).revocation.listening);
}

/** Timers that can be shortened, so that a wait for a silent database ends soon. */
export class ShortTimers extends SessionTimers {
  /** Set it only while the database is silent: a healthy one may be slow. */
  limit = Infinity;

  override after(milliseconds: number, task: () => void): NodeJS.Timeout {
    return super.after(Math.min(milliseconds, this.limit), task);
  }
}

/**
 * Changes that an administrator or an unknown process makes in the database, and the answer to the token afterwards.
 */
export const CHANGES = [
  {
    change: 'a session is ended',
    answer: 'session_revoked',
    sql: `UPDATE jwt_session SET revoked_at = clock_timestamp(), revoked_reason = 'by hand' WHERE id = $1`,
  },
  { change: 'a session is deleted', answer: 'session_expired', sql: 'DELETE FROM jwt_session WHERE id = $1' },
  {
    change: "a user's access tokens are invalidated",
    answer: 'access_token_invalid',
    sql: `INSERT INTO jwt_session_user_auth (user_id, token_type, bucket, uuid, version, changed_at)
      SELECT user_id, 'access', bucket, gen_random_uuid(), 1, clock_timestamp() FROM jwt_session WHERE id = $1`,
  },
  {
    change: "a session's claims are changed",
    answer: 'access_token_expired',
    sql: `UPDATE jwt_session SET token_version = token_version + 1, claims_changed_at = clock_timestamp() WHERE id = $1`,
  },
  {
    change: 'the signing keys are distrusted',
    answer: 'access_token_invalid',
    sql: `UPDATE jwt_session_key SET distrusted_at = clock_timestamp() WHERE $1::uuid IS NOT NULL`,
  },
] as const;

/** The server processes of the connections that listen, of one application name. */
export async function listeners(database: TestDatabase, application = '%'): Promise<number[]> {
  const rows = await database.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'LISTEN %' AND application_name LIKE $1`,
    [application],
  );
  return rows.map(({ pid }) => pid);
}
