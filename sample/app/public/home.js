import { clearDevices, loadDevices, watchDevices } from './devices.js';
import { byId, onPress, onSubmit, refusalText, say } from './dom.js';
import { endingText } from './endings.js';
import { clearImpersonation, showImpersonation, watchImpersonation } from './impersonation.js';
import { clearNotes, loadNotes, watchNotes } from './notes.js';
import { watchPassword } from './password.js';
import { api, onSessionEnd, signOut } from './session.js';
import { turns } from './turns.js';

const signIn = byId('sign-in');
const beginTurn = turns();

function showSignedOut(text) {
  clearPrivate();
  byId('loading').hidden = true;
  byId('signed-out').hidden = false;
  if (text !== undefined) {
    say(text);
    byId('message').focus();
  }
}

/** Takes everything that belongs to a user off the page. */
function clearPrivate() {
  beginTurn();
  byId('signed-in').hidden = true;
  byId('welcome').textContent = '';
  byId('role').textContent = '';
  document.querySelectorAll('form').forEach(form => form.reset());
  clearNotes();
  clearDevices();
  clearImpersonation();
}

function showSignedIn({ username, role }) {
  byId('loading').hidden = true;
  byId('signed-out').hidden = true;
  byId('signed-in').hidden = false;
  byId('welcome').textContent = `Hello, ${username}`;
  byId('role').textContent = role === 'admin' ? 'You are an administrator.' : '';
  byId('change-password').elements.username.value = username;
}

/** Shows the user whom the server recognises now. */
async function load() {
  const isLast = beginTurn();
  const me = await api('GET', '/me');
  if (!isLast()) return;
  // `onSessionEnd` reports why a session has ended.
  if (me.code === 'session_missing') {
    // What somebody is typing stays.
    if (byId('signed-out').hidden) showSignedOut();
    return;
  }
  if (me.status === 401) return;
  if (!me.ok) return say(refusalText(me), { alarm: true });
  await Promise.all([loadNotes(), loadDevices(), showImpersonation(me.body)]);
  if (isLast()) showSignedIn(me.body);
}

function loadOrSay() {
  return load().catch(error => {
    console.error(error);
    byId('loading').hidden = true;
    say('The server cannot be reached. Check the connection, then load the page again.', { alarm: true });
  });
}

onSessionEnd(reason => {
  if (reason === 'token_theft_detected') {
    clearPrivate();
    // What the page held is gone from the history, too.
    return location.replace('/theft');
  }
  const wasHere = !byId('signed-in').hidden;
  showSignedOut(endingText(reason) ?? (wasHere ? 'You are signed out.' : undefined));
});

onSubmit(signIn, async fields => {
  const answer = await api('POST', '/login', fields);
  if (!answer.ok) return say(refusalText(answer), { alarm: true });
  signIn.reset();
  say('');
  await load();
  byId('welcome').focus();
});

for (const button of document.querySelectorAll('[data-username]')) {
  button.addEventListener('click', () => {
    signIn.elements.username.value = button.dataset.username;
    signIn.elements.password.value = button.dataset.password;
    signIn.querySelector('button').focus();
  });
}

onPress(byId('sign-out'), async () => {
  await signOut();
});

watchNotes();
watchDevices({ signedOut: showSignedOut });
watchPassword({ changed: loadDevices });
watchImpersonation({
  async switched() {
    clearPrivate();
    await load();
    byId('welcome').focus();
  },
});

// A page that comes back from the browser's memory must not show what it showed before.
addEventListener('pagehide', clearPrivate);
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) void loadOrSay();
});
// Not on a timer: repeated requests would keep an unused session alive.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') void loadOrSay();
});

void loadOrSay();
