import { byId, onSubmit, refusalText, say } from './dom.js';
import { api } from './session.js';

/** @param actions.changed called when the other devices were signed out */
export function watchPassword({ changed }) {
  const form = byId('change-password');
  onSubmit(form, async ({ username, current, next }) => {
    const change = () => api('POST', '/account/password', { current, next });
    let answer = await change();
    // The login is too old for this. The password that was just typed renews it.
    if (answer.code === 'insufficient_user_authentication') {
      answer = await api('POST', '/account/reauthenticate', { password: current });
      if (answer.ok) answer = await change();
    }
    if (answer.code === 'invalid_credentials') return say('The present password is not right.', { alarm: true });
    if (answer.status === 401) return;
    if (!answer.ok) return say(refusalText(answer), { alarm: true });
    form.reset();
    form.elements.username.value = username;
    form.closest('details').open = false;
    say('The password is changed, and the other devices are signed out.');
    await changed();
  });
}
