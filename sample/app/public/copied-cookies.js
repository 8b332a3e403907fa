import { byId, element, onPress, refusalText, say } from './dom.js';
import { api } from './session.js';

const story = byId('copied');

const REFRESHES = {
  impossible:
    'It cannot refresh: the session is bound to a key of your browser, and there is no refresh token to copy. Soon the copy is worthless, and your session lives on.',
  session_key_required: 'Its refresh is refused: the session is bound to a key that it does not have. Yours lives on.',
  accepted: 'It refreshes, and is answered: it can go on until both have used their copies, which ends the session.',
};

export function watchCopies() {
  onPress(byId('copy'), async () => {
    const { ok, status, code, body } = await api('POST', '/session/demonstration/copied-cookies');
    if (status === 401) return;
    if (!ok) return say(refusalText({ code, body }), { alarm: true });
    story.hidden = false;
    story.replaceChildren(
      element('li', {}, actsUntil(body.access)),
      element('li', {}, REFRESHES[body.refresh] ?? `Its refresh is refused: ${body.refresh}.`),
    );
  });
}

/** @param access a time, or the code of a refusal */
function actsUntil(access) {
  const end = new Date(access);
  if (Number.isNaN(end.getTime())) return `The second client is refused: ${access}.`;
  const time = end.toLocaleTimeString('en', { hour12: false });
  return `The second client acts as you, until the access token ends at ${time}, or the session before.`;
}
