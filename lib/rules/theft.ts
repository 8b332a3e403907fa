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

/**
 * Whether the theft ends the user's other sessions, if `onTheft` says so. A crash can look like the other classes of
 * theft.
 */
export function revokesUser(theftClass: TheftClass): boolean {
  return theftClass === 'fork' || theftClass === 'stale';
}
