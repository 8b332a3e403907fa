import { markerOf } from '../../lib/http/session-marker.js';
import { openRefreshToken } from '../../lib/rules/refresh-token.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { ACCESS_COOKIE, type Answer, MARKER_COOKIE, REFRESH_COOKIE, send } from './client.js';
import { SECRET } from './test-app.js';

export interface Tokens {
  readonly accessToken?: string;
  readonly refreshToken?: string;
}

/** The answer of `logIn` without an exchange, with all members present. */
export type Issued = Required<Tokens> & { readonly session: { readonly id: string } };

const KEYS = deriveServerKeys(SECRET);

/** The marker that a browser has beside that refresh token; none for a text that is not a token. */
function markerCookies(refreshToken: string): string[] {
  const token = openRefreshToken(refreshToken, [KEYS]);
  return token ? [`${MARKER_COOKIE}=${markerOf(token.sessionId, '/session', { newest: KEYS })}`] : [];
}

/**
 * A `Cookie` header with any number of cookies of each name, in this order.
 *
 * @param own the refresh token whose marker the browser has: the only one, if left out
 */
export function cookieHeader(
  access: readonly string[],
  refresh: readonly string[],
  own = new Set(refresh).size === 1 ? refresh[0] : undefined,
): string {
  return [
    ...access.map(token => `${ACCESS_COOKIE}=${token}`),
    ...refresh.map(token => `${REFRESH_COOKIE}=${token}`),
    ...(own === undefined ? [] : markerCookies(own)),
  ].join('; ');
}

export function postWithCookies(
  url: string,
  access: readonly string[],
  refresh: readonly string[],
  body?: unknown,
  own?: string,
): Promise<Answer> {
  return send(url, { method: 'POST', headers: { cookie: cookieHeader(access, refresh, own) }, body });
}
