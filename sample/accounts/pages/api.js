import { createSessionFetch } from '/assets/client/index.js';

const session = createSessionFetch({ baseUrl: `${location.origin}/api/` });

/** Calls the API. The package's client renews an access token that has expired. */
export async function call(path, { method = 'POST', body } = {}) {
  const content = body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {};
  const response = await session(path, { method, ...content });
  const text = await response.text();
  return { ok: response.ok, body: text ? JSON.parse(text) : {} };
}

/** Ends the session, in all tabs. */
export const logOut = () => session.logOut();

/** As text, never as HTML: it can contain what somebody has typed. */
export function say(text) {
  document.querySelector('#status').textContent = text;
}
