import { call } from './api.js';

const LINK = /(https?:\/\/\S+)/;

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function article({ to, subject, text, date }) {
  const body = element('p', '');
  body.className = 'text';
  for (const part of text.split(LINK)) {
    const piece = LINK.test(part) ? element('a', part) : document.createTextNode(part);
    if (LINK.test(part)) piece.href = part;
    body.append(piece);
  }
  const made = document.createElement('article');
  made.append(element('h2', subject), element('p', `to ${to}, ${new Date(date).toLocaleTimeString()}`), body);
  return made;
}

const { body: mails } = await call('mails', { method: 'GET' });
document
  .querySelector('#mails')
  .replaceChildren(...(mails.length > 0 ? mails.map(article) : [element('p', 'None yet.')]));
