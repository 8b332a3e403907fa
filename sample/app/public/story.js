import { byId, element, refusalText, say } from './dom.js';
import { api } from './session.js';
import { windowLeft } from './track.js';

const MOST_ROUNDS = 3;
// Longer than the live view needs to tell of a window that has just opened.
const NEWS = 1_500;

const story = byId('story');

const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

function tell(text) {
  story.hidden = false;
  story.append(element('li', {}, text));
}

async function windowOver() {
  await pause(NEWS);
  if (windowLeft() > 0) {
    tell(`Both wait until the leeway window is over: ${Math.ceil(windowLeft() / 1000)} seconds.`);
    // Counted down for the eye only: a screen reader would read out every second.
    const left = element('span', { ariaHidden: 'true' });
    story.lastElementChild.append(' ', left);
    while (windowLeft() > 0) {
      left.textContent = `${Math.ceil(windowLeft() / 1000)} s left.`;
      await pause(100);
    }
    left.remove();
  }
  await pause(100);
}

/**
 * A second client, kept by the server, gets a copy of this browser's refresh token. Then the two use their copies in
 * turn, like two parties who do not know of each other. The one that comes with a token that is out of date reveals the
 * theft.
 */
export async function stealCopy() {
  story.replaceChildren();
  const { ok, status, code, body } = await api('POST', '/session/demonstration/second-client');
  if (!ok) return status === 401 ? undefined : say(refusalText({ code, body }), { alarm: true });
  tell('A second client has a copy of your refresh token.');
  const secondClientActs = async () =>
    (await api('POST', '/session/demonstration/second-client/act', body)).body.outcome;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await windowOver();
    if ((await secondClientActs()) !== 'accepted') {
      tell(
        'The second client refreshes, with a token that is out of date by now. That gives it away: its copy is dead.',
      );
      // The next event of the user's own page.
      await api('GET', '/me');
      return;
    }
    tell(
      'The second client refreshes, says that it is at 203.0.113.7, and uses what it gets. Nobody can see anything wrong yet.',
    );
    await windowOver();
    const { ok: fine } = await api('POST', '/session/refresh');
    if (!fine) {
      tell(
        'Your browser refreshes, with a token that the other one has exchanged already. Two parties hold copies: the session ends for both.',
      );
      const outcome = await secondClientActs();
      tell(`The second client tries again, and is refused: ${outcome}.`);
      return;
    }
    tell('Your browser refreshes, and is answered.');
  }
}
