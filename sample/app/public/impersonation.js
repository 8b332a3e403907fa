import { attempt, byId, element, onPress, refusalText, say } from './dom.js';
import { api } from './session.js';

const users = byId('users');

let switched;

/** @param actions.switched called when the user has become another one */
export function watchImpersonation(actions) {
  ({ switched } = actions);
  onPress(byId('end-acting'), () => become('/impersonation/end', undefined, 'You are yourself again.'));
}

/** Shows the banner to those who act as somebody else, and the users to administrators. */
export async function showImpersonation({ role, username, actor }) {
  byId('acting').hidden = !actor;
  byId('acting-as').textContent = username;
  const answer = role === 'admin' ? await api('GET', '/admin/users') : undefined;
  byId('support').hidden = !answer?.ok;
  users.replaceChildren(...(answer?.ok ? answer.body.filter(user => user.role !== 'admin').map(row) : []));
}

export function clearImpersonation() {
  byId('acting').hidden = true;
  byId('support').hidden = true;
  users.replaceChildren();
}

function row({ id, username }) {
  const button = element('button', { type: 'button' }, `Act as ${username}`);
  button.addEventListener('click', () => {
    const path = `/admin/users/${id}/impersonate`;
    void attempt(button, () => become(path, { reason: 'tried in the sample' }, `You act as ${username}.`));
  });
  return element('li', {}, element('strong', {}, username), button);
}

async function become(path, body, text) {
  const answer = await api('POST', path, body);
  if (answer.status === 401) return;
  if (!answer.ok) return say(refusalText(answer), { alarm: true });
  await switched();
  say(text);
}
