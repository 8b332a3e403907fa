import type { ServerSecrets } from '../keys/server-secrets.js';
import { isDigestOf, type ServerKeys } from '../rules/server-keys.js';

const BYTES = 16;

/** The value of a session's marker cookie: only this application can make it, and it does not tell the session id. */
export function markerOf(sessionId: string, { newest }: Pick<ServerSecrets, 'newest'>): string {
  return digest(sessionId, newest).toString('base64url');
}

/** Whether a marker cookie is that of the session. */
export function isMarkerOf(marker: string, sessionId: string, { accepted }: ServerSecrets): boolean {
  return isDigestOf(marker, accepted, keys => digest(sessionId, keys));
}

function digest(sessionId: string, { marker }: ServerKeys): Buffer {
  return marker.digest(Buffer.from(sessionId)).subarray(0, BYTES);
}
