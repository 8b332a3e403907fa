import { watchCopies } from './copied-cookies.js';
import { byId, element, onPress, refusalText, say } from './dom.js';
import { endingText } from './endings.js';
import { explain } from './explain.js';
import { api, onSessionEnd } from './session.js';
import { stealCopy } from './story.js';
import { drawEnd, drawState, runWindow } from './track.js';

const MOST_EVENTS = 30;
const ALARMS = new Set(['session.theft', 'session.refused']);

const events = byId('events');
let stream;
let over = false;
let demonstrates = false;

function listen() {
  stream?.close();
  stream = new EventSource('/inside/events');
  stream.addEventListener('state', ({ data }) => over || showState(JSON.parse(data)));
  stream.addEventListener('happened', ({ data }) => show(JSON.parse(data)));
  stream.addEventListener('ended', () => {
    stream.close();
    // The next request reports the end of the session and its reason, as always.
    if (!over) void load();
  });
  stream.addEventListener('error', () => {
    if (over) return stream.close();
    // Refused, as when the access token has expired: a request refreshes it. Anything else the browser repeats by
    // itself.
    if (stream.readyState === EventSource.CLOSED) void load();
  });
}

function showState(state) {
  drawState(state);
  byId('proving').hidden = !(demonstrates && state.bound);
}

function show(event) {
  byId('no-events').hidden = true;
  const time = new Date(event.at).toLocaleTimeString('en', { hour12: false });
  events.prepend(
    element(
      'li',
      { className: ALARMS.has(event.type) ? 'alarm' : '' },
      element('code', {}, event.case ? `${event.type} · ${event.case}` : event.type),
      element('time', { dateTime: event.at }, time),
      element('p', { className: 'fine' }, explain(event)),
    ),
  );
  while (events.children.length > MOST_EVENTS) events.lastElementChild.remove();
}

async function load() {
  stream?.close();
  let offer;
  try {
    offer = await api('GET', '/inside/offer');
  } catch {
    byId('loading').hidden = true;
    say('The server cannot be reached. Load the page again when it is back.', { alarm: true });
    return;
  }
  if (offer.status === 401) return;
  if (!offer.ok) return say(refusalText(offer), { alarm: true });
  over = false;
  byId('loading').hidden = true;
  for (const trial of document.querySelectorAll('[data-demonstration]')) trial.hidden = !offer.body.demonstration;
  demonstrates = offer.body.demonstration;
  for (const id of ['rotate', 'distrust']) byId(id).disabled = !offer.body.rotateKeys;
  byId('admins-only').hidden = offer.body.rotateKeys;
  for (const button of document.querySelectorAll('#live button')) button.hidden = false;
  byId('live').hidden = false;
  listen();
}

function signedOut(text) {
  byId('loading').hidden = true;
  say(text, { link: { href: '/', text: 'To the sign-in' } });
}

onSessionEnd(reason => {
  // The first reason is why; what comes later tells no more than that there is no session.
  if (over) return;
  // The stream has its last words still to say; the server ends it.
  over = true;
  drawEnd();
  for (const button of document.querySelectorAll('#live button')) button.hidden = true;
  if (reason === 'token_theft_detected') {
    say('A theft was detected, and this session has ended, for you and for the person who has the copy.', {
      alarm: true,
      link: { href: '/theft', text: 'What it means, and what to do' },
    });
  } else {
    signedOut(endingText(reason) ?? 'You are not signed in.');
  }
});

/** Sends the request of a button; `onSessionEnd` reports a session that has ended. */
async function send(path, body) {
  const answer = await api('POST', path, body);
  if (!answer.ok && answer.status !== 401) say(refusalText(answer), { alarm: true });
  return answer.ok;
}

onPress(byId('refresh'), async () => {
  if (await send('/session/refresh')) say('Refreshed.');
});

onPress(byId('lose'), async () => {
  if (!(await send('/session/demonstration/lost-response'))) return;
  if (await send('/session/refresh')) say('The first answer was lost, the second arrived. Nobody was signed out.');
});

onPress(byId('steal'), async () => {
  say('A theft is under way: watch the steps below the button.');
  await stealCopy();
});

watchCopies();

onPress(byId('prove'), async () => {
  if (!(await send('/session/demonstration/drop-access'))) return;
  const { ok } = await api('GET', '/me');
  if (ok) say('The browser proved its key, and has a new access cookie.');
});

onPress(byId('rotate'), async () => {
  if (await send('/session/demonstration/rotate-keys', {})) say('A new signing key is published.');
});

onPress(byId('distrust'), async () => {
  if (!(await send('/session/demonstration/rotate-keys', { distrust: true }))) return;
  const { ok } = await api('GET', '/me');
  if (ok) say('Your access token was refused, the page refreshed, and nobody had to sign in again.');
});

addEventListener('pagehide', () => {
  stream?.close();
  events.replaceChildren();
  byId('live').hidden = true;
});
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) void load();
});

runWindow();
void load();
