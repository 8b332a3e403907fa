import { call, logOut } from './api.js';
import './form.js';

const again = document.querySelector('#again');

async function show() {
  const { ok, body } = await call('account', { method: 'GET' });
  if (!ok) return location.assign('/');
  const { email, role, verified, createdAt } = body;
  const facts = { 'E-mail address': email, Role: role, Verified: verified ? 'yes' : 'no', 'Member since': createdAt };
  document.querySelector('#account').replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => {
      const [term, description] = [document.createElement('dt'), document.createElement('dd')];
      term.textContent = name;
      description.textContent = value;
      return [term, description];
    }),
  );
}

function askAgainAfter({ body }) {
  if (body.errorCode === 'insufficient_user_authentication') again.hidden = false;
}

for (const form of document.forms) form.addEventListener('answered', ({ detail }) => askAgainAfter(detail));

document.querySelector('#export').addEventListener('click', async () => {
  const { body } = await call('account/export', { method: 'GET' });
  document.querySelector('#stored').textContent = JSON.stringify(body, null, 2);
});

document.querySelector('#log-out').addEventListener('click', async () => {
  await logOut();
  location.assign('/');
});

await show();
