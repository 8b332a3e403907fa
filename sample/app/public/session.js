// The only file that knows the library's browser client.
import { createSessionFetch } from '/assets/client/index.js';

const listeners = new Set();

const sessionFetch = createSessionFetch({
  baseUrl: location.origin,
  onSessionEnd: ({ reason }) => listeners.forEach(listener => listener(reason)),
});

/** Calls `listener(reason)` when the session has ended, in every tab. */
export function onSessionEnd(listener) {
  listeners.add(listener);
}

/** Ends the session, and tells the other tabs. Throws when the server cannot be reached. */
export function signOut() {
  return sessionFetch.logOut();
}

/** Sends a JSON request with the session's cookies. Throws only when the server cannot be reached. */
export async function api(method, path, body) {
  const response = await sessionFetch(path, {
    method,
    ...(body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer = text === '' ? {} : JSON.parse(text);
  return { ok: response.ok, status: response.status, code: answer.errorCode, body: answer };
}
