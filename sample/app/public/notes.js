import { ago, byId, element, onSubmit, refusalText, say } from './dom.js';
import { api } from './session.js';
import { turns } from './turns.js';

const list = byId('notes');
const beginTurn = turns();

export async function loadNotes() {
  const isLast = beginTurn();
  const answer = await api('GET', '/notes');
  if (!answer.ok || !isLast()) return;
  list.replaceChildren(...answer.body.toReversed().map(row));
  byId('no-notes').hidden = answer.body.length > 0;
}

export function clearNotes() {
  beginTurn();
  list.replaceChildren();
}

export function watchNotes() {
  const form = byId('add-note');
  onSubmit(form, async fields => {
    const answer = await api('POST', '/notes', fields);
    if (answer.status === 401) return;
    if (!answer.ok) return say(refusalText(answer), { alarm: true });
    form.reset();
    form.elements.text.focus();
    say('The note is kept.');
    await loadNotes();
  });
}

function row({ text, createdAt }) {
  return element(
    'li',
    {},
    element('p', { className: 'note' }, text),
    element('p', { className: 'fine' }, ago(createdAt)),
  );
}
