/** In place of the sample's `session.js`: what pages do that do not know the library's client. Nothing is shared. */
export const NAIVE_CLIENT = `
  const listeners = [];
  export const onSessionEnd = listener => void listeners.push(listener);
  export async function signOut() {
    await fetch('/session/logout', { method: 'POST' });
    listeners.forEach(listener => listener('logged_out'));
  }
  export async function api(method, path, body) {
    const json = { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    const send = () => fetch(path, { method, ...(body === undefined ? {} : json) });
    let response = await send();
    if (response.status === 401) {
      const { errorCode } = await response.clone().json();
      if (/^access_token_/.test(errorCode)) {
        const refreshed = await fetch('/session/refresh', { method: 'POST' });
        if (!refreshed.ok) listeners.forEach(listener => listener('session_revoked'));
        response = await send();
      }
    }
    const text = await response.text();
    const answer = text === '' ? {} : JSON.parse(text);
    return { ok: response.ok, status: response.status, code: answer.errorCode, body: answer };
  }
`;
