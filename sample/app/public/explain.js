/** The cases of a refresh, as the library names them, in plain words. */
export const CASES = {
  mint: 'The window was over: a new generation was handed out.',
  'retry-in-window': 'The same token came again within the window: the same successor was handed out again.',
  'retry-of-lost-response':
    'The same token came again, and its successor was never seen in use: another one was handed out.',
  unchanged: 'The token was confirmed a moment ago: it stays as it is, with a new access token.',
  confirm: 'The new token came back within the window: it has arrived, and is now the one in use.',
  'confirmed-by-use': 'An access token of the new generation was used: it has arrived, and is now the one in use.',
  'confirm-and-mint':
    'The new token came back after the window: it has arrived, and the next generation was handed out.',
  proved: 'The browser proved that it holds the key: a new access token was handed out, and no token was exchanged.',
  'late-parent': 'The former token came once more within the window: the present one was handed out.',
};

const THEFTS = {
  fork: 'two parties went different ways',
  recent: 'a token came back that had been exchanged already',
  stale: 'a token came back that is older than the former one',
  binding: 'the token came from another client than the one it is bound to',
};

const EVENTS = {
  'session.created': () => 'A session began: somebody signed in as you.',
  'session.impersonated': ({ reason }) => `An administrator acts as the user: ${reason}.`,
  'session.bound': () => 'The session is bound to a key of the device: a copy of the cookies cannot be refreshed.',
  'session.refreshed': event => CASES[event.case],
  'session.replayed': event => CASES[event.case],
  'session.revoked': ({ sessionIds, reason }) =>
    `${sessionIds.length === 1 ? 'A session' : `${sessionIds.length} sessions`} of yours ended: ${reason}.`,
  'session.theft': event => `Theft: ${THEFTS[event.class]}. The session has ended for both.`,
  'session.refused': ({ code }) => `A request was refused: ${code}.`,
  'keys.rotated': ({ kid, signFrom }) =>
    `The key ${kid.slice(0, 8)}… is published, and ${signsFrom(new Date(signFrom))}.`,
  'revocation.degraded': () => 'This process hears late of what others end, and asks the database more often.',
  'revocation.recovered': () => 'This process hears of what others end at once again.',
};

function signsFrom(date) {
  return date <= new Date() ? 'signs from now on' : `will sign from ${date.toLocaleString('en')}`;
}

/** What an event means, in a sentence. */
export function explain(event) {
  return EVENTS[event.type]?.(event) ?? '';
}
