/**
 * How the reuse of a token was recognised: `fork` two parties went different ways; `recent` the parent of the current
 * token, which also a crash between use and storage causes; `stale` an older token; `binding` another client than the
 * session is bound to.
 */
export type TheftClass = 'fork' | 'recent' | 'stale' | 'binding';

const REASON = /^theft:(fork|recent|stale|binding)$/;

/** The reason that the row keeps, so that every later token of the session gets the same answer. */
export function theftReason(theftClass: TheftClass): string {
  return `theft:${theftClass}`;
}

/** The class in the reason for which a session ended; undefined for other reasons. */
export function theftClassOf(reason: string): TheftClass | undefined {
  return REASON.exec(reason)?.[1] as TheftClass | undefined;
}

/** What a theft ends: its session, or all sessions of the user. */
export type OnTheft = 'revoke-session' | 'revoke-user';

/**
 * Whether a theft ends the user's other sessions as well. `recent` and `binding` never do: a crash, or a change of the
 * network, can look like them.
 */
export function revokesUser(onTheft: OnTheft, theftClass: TheftClass): boolean {
  return onTheft === 'revoke-user' && (theftClass === 'fork' || theftClass === 'stale');
}
