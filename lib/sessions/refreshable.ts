import type { Announcements } from '../revocation/announcements.js';
import { revokedError, SessionExpiredError, SessionRevokedError } from '../session.errors.js';
import type { ObservedSession } from '../store/rotation.store.js';

/**
 * Checks that a session which was read from the database can be refreshed at all, before any token or key is looked at.
 *
 * @throws SessionRevokedError, TokenTheftDetectedError, SessionExpiredError
 */
export function requireRefreshable(
  sessionId: string,
  { revokedReason: reason, expired, invalidated }: ObservedSession,
  announcements: Announcements,
): void {
  if (reason !== null) {
    announcements.committed(undefined, { notLive: { id: sessionId, reason } });
    throw revokedError(reason);
  }
  if (expired) throw new SessionExpiredError();
  if (invalidated) throw new SessionRevokedError();
}
