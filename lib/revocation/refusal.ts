import type { RevocationKeys, RevocationState } from '../rules/revocation-state.js';
import {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  REPLACED,
  revokedError,
  type SessionError,
  SessionRevokedError,
} from '../session.errors.js';

/** Allows for clocks that differ. */
export const CLOCK_MARGIN_MS = 60_000;

/** Milliseconds for which an access token can outlive its revocation. */
export function spanOf({ lifetime, clockTolerance }: { lifetime: number; clockTolerance: number }): number {
  return lifetime + clockTolerance + CLOCK_MARGIN_MS;
}

/** Why a token no longer counts; undefined while nothing is known against it. */
export function refusalOf(state: RevocationState, token: RevocationKeys): SessionError | undefined {
  const reason = state.reasonOf(token.sessionId);
  // The cookies of the new login are set or on their way; a refresh will use them.
  if (reason === REPLACED) return new AccessTokenInvalidError('The session was replaced by a new login: refresh');
  if (reason !== undefined) return revokedError(reason);
  if (token.actor) {
    // Here and not only by the end of the impersonation: what ends the actor's session may not have seen it.
    if (state.reasonOf(token.actor.sessionId) !== undefined) return new SessionRevokedError();
    if (state.isInvalidated(token.actor)) return new AccessTokenInvalidError();
  }
  if (state.isInvalidated(token)) return new AccessTokenInvalidError();
  return state.isOutdated(token) ? new AccessTokenExpiredError() : undefined;
}
