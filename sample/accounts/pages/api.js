const REFRESH = ['access_token_expired', 'access_token_invalid'];

/** Calls the API; an access token that is over is renewed once on the way. */
export async function call(path, { method = 'POST', body } = {}) {
  const content = body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {};
  const send = () => fetch(`/api/${path}`, { method, ...content });
  let answer = await read(await send());
  if (REFRESH.includes(answer.body.errorCode)) {
    await fetch('/api/session/refresh', { method: 'POST' });
    answer = await read(await send());
  }
  return answer;
}

async function read(response) {
  const text = await response.text();
  return { ok: response.ok, body: text ? JSON.parse(text) : {} };
}

/** As text, never as HTML: it may hold what somebody has typed. */
export function say(text) {
  document.querySelector('#status').textContent = text;
}
