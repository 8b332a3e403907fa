import { hash } from 'node:crypto';

/**
 * The rows of a user are in one bucket of 4,096, by which an engine that distributes the tables places them. The bucket
 * follows from the user id, and each session id carries it: the 12 bits after the version of the UUID (`rand_a` in
 * RFC 9562, section 5.7).
 */
export function bucketOfUser(userId: string): number {
  return Number.parseInt(hash('sha256', userId, 'hex').slice(0, 3), 16);
}

/** @param sessionId a UUID */
export function bucketOfSession(sessionId: string): number {
  return Number.parseInt(sessionId.slice(15, 18), 16);
}

/** The bucket of the session or of the user that a statement is about, or one for each. */
export function bucketsOf({ sessionId, userId }: { sessionId?: unknown; userId?: unknown }): unknown {
  const [key, bucketOf] = sessionId === undefined ? [userId, bucketOfUser] : [sessionId, bucketOfSession];
  return Array.isArray(key) ? key.map(bucketOf) : bucketOf(key as string);
}
