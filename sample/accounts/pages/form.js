import { call, say } from './api.js';
import { showMistakes } from './mistakes.js';

// The token of a mail's link is behind the #, which no server sees; it leaves the address bar and the history at once.
const token = new URLSearchParams(location.hash.slice(1)).get('token');
if (token) history.replaceState(null, '', location.pathname);

for (const form of document.forms) {
  // What a link asks for happens at the press of the button: programs that open links in mails use none up.
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const { post, delete: remove, next, done } = form.dataset;
    if (remove && !confirm('Delete your account and everything that belongs to it?')) return;
    const body = Object.fromEntries(new FormData(form));
    for (const box of form.querySelectorAll('input[type=checkbox]')) body[box.name] = box.checked;
    if ('token' in form.dataset) body.token = token ?? '';
    const answer = await call(remove ?? post, { method: remove ? 'DELETE' : 'POST', body });
    form.dispatchEvent(new CustomEvent('answered', { detail: answer }));
    if (showMistakes(form, answer.body.errors)) return say('');
    if (!answer.ok) return say(answer.body.message);
    if (next) return location.assign(next);
    form.reset();
    say(done);
  });
}
