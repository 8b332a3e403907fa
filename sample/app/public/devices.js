import { ago, attempt, byId, element, onPress, refusalText, say } from './dom.js';
import { api, signOut } from './session.js';
import { turns } from './turns.js';

const list = byId('devices');
const beginTurn = turns();

export async function loadDevices() {
  const isLast = beginTurn();
  const answer = await api('GET', '/session/devices');
  if (!answer.ok || !isLast()) return;
  list.replaceChildren(...answer.body.map(row));
  byId('end-others').hidden = answer.body.length < 2;
}

export function clearDevices() {
  beginTurn();
  list.replaceChildren();
}

let signedOut;

/** @param actions.signedOut called with a text when this device was signed out as well */
export function watchDevices(actions) {
  ({ signedOut } = actions);
  onPress(byId('end-others'), async () => {
    const answer = await api('POST', '/session/logout-others');
    if (!answer.ok) return refused(answer);
    const { ended } = answer.body;
    await changed(ended === 1 ? 'One other device was signed out.' : `${ended} other devices were signed out.`);
  });
  onPress(byId('end-all'), async () => {
    const answer = await api('POST', '/session/logout-all');
    if (!answer.ok) return refused(answer);
    await tellTabs('You are signed out on all devices.');
  });
}

/** What the icon shows: phones and tablets, scripts, and anything else with a browser. */
function kindOf(label) {
  if (/ on (iOS|Android)/.test(label ?? '')) return 'phone';
  return label && !label.includes(' on ') ? 'script' : 'screen';
}

function row({ id, label, ip, createdAt, lastSeenAt, boundBy, current }, index) {
  const name = label ?? 'Unknown device';
  // Equal devices differ by their number and the time, also for those who only hear the buttons.
  const since = new Date(createdAt).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'medium' });
  const ariaLabel = `Sign out device ${index + 1}, ${name}, ${current ? 'this one, ' : ''}signed in ${since}`;
  const button = element('button', { type: 'button', ariaLabel });
  button.append('Sign out');
  button.addEventListener('click', () => void attempt(button, () => end({ id, name, current })));
  return element(
    'li',
    {},
    element(
      'p',
      {},
      element('span', { className: `icon ${kindOf(label)}`, ariaHidden: 'true' }),
      element('strong', {}, name),
      ...(current ? [' ', element('span', { className: 'badge' }, 'this one')] : []),
      ...(boundBy ? [' ', element('span', { className: 'badge' }, 'bound to its key')] : []),
    ),
    element(
      'p',
      { className: 'fine' },
      `${ip ?? 'unknown address'} · signed in `,
      ago(createdAt),
      ', last seen ',
      ago(lastSeenAt),
    ),
    button,
  );
}

async function end({ id, name, current }) {
  const answer = await api('DELETE', `/session/devices/${id}`);
  // Somebody was faster: it has ended, which is what was asked for.
  if (!answer.ok && answer.status !== 404) return refused(answer);
  if (current) return tellTabs('You are signed out.');
  await changed(`${name} was signed out.`);
}

async function changed(text) {
  await loadDevices();
  say(text);
  byId('devices-title').focus();
}

/** The session has ended. Another log-out is harmless, and informs the other tabs. */
async function tellTabs(text) {
  await signOut();
  signedOut(text);
}

function refused(answer) {
  if (answer.status !== 401) say(refusalText(answer), { alarm: true });
}
