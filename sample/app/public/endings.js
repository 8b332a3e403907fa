const SENTENCES = {
  session_revoked:
    'Your session was ended, from another device, by a change of password or by an administrator. Sign in again.',
  session_expired:
    'Your session has expired, because it was not used for long or is as old as sessions may become. Sign in again.',
  refresh_token_invalid: 'Your sign-in is no longer valid here. Sign in again.',
  refresh_token_unknown: 'Your sign-in was lost on the server. Sign in again.',
};

/** Why a session has ended, in one sentence; undefined where nobody was signed in. */
export function endingText(reason) {
  return SENTENCES[reason];
}
