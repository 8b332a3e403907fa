import type { ServerSecrets } from '../keys/server-secrets.js';
import { isDigestOf, type ServerKeys } from '../rules/server-keys.js';

const BYTES = 16;

/**
 * The value of a session's marker cookie: `HMAC(session id).path of the refresh cookie`. Only this application can make
 * it, and it does not tell the session id.
 */
export function markerOf(sessionId: string, refreshPath: string, { newest }: Pick<ServerSecrets, 'newest'>): string {
  return `${digest(sessionId, newest).toString('base64url')}.${encodeURIComponent(refreshPath)}`;
}

/** Whether a marker cookie is that of the session. */
export function isMarkerOf(marker: string, sessionId: string, { accepted }: ServerSecrets): boolean {
  return isDigestOf(marker.split('.', 1)[0]!, accepted, keys => digest(sessionId, keys));
}

/** Whether the refresh cookie that was set with the marker has that path. No decision about access depends on it. */
export function isMarkerOfPath(marker: string, refreshPath: string): boolean {
  return marker.slice(marker.indexOf('.') + 1) === encodeURIComponent(refreshPath);
}

function digest(sessionId: string, { marker }: ServerKeys): Buffer {
  return marker.digest(Buffer.from(sessionId)).subarray(0, BYTES);
}
