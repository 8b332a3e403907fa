/** The element of that id. */
export const byId = id => document.getElementById(id);

/** An element with properties and children. Text always goes in as text: nothing that a user wrote is read as HTML. */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Tells the user something, and screen readers with them. */
export function say(text, { alarm = false, link } = {}) {
  const message = byId('message');
  message.classList.toggle('alarm', alarm);
  message.replaceChildren(
    ...(text ? [text] : []),
    ...(link ? [' ', element('a', { href: link.href }, link.text)] : []),
  );
}

/** Runs what a button or a form asks for, once at a time, and says what went wrong with the network. */
export async function attempt(control, run) {
  const buttons = control instanceof HTMLFormElement ? [...control.querySelectorAll('button')] : [control];
  for (const button of buttons) button.disabled = true;
  try {
    await run();
  } catch (error) {
    console.error(error);
    say('The server cannot be reached. Check the connection, then try again.', { alarm: true });
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** Calls `run` with the fields of the form when it is sent. */
export function onSubmit(form, run) {
  form.addEventListener('submit', event => {
    event.preventDefault();
    void attempt(form, () => run(fieldsOf(form)));
  });
}

/** By name; of a check box, whether it is checked. */
function fieldsOf(form) {
  const boxes = [...form.querySelectorAll('input[type=checkbox]')].map(({ name, checked }) => [name, checked]);
  return { ...Object.fromEntries(new FormData(form)), ...Object.fromEntries(boxes) };
}

/** Calls `run` when the button is pressed. */
export function onPress(button, run) {
  button.addEventListener('click', () => void attempt(button, run));
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** A moment as people say it, with the exact one behind it. */
export function ago(moment) {
  const date = new Date(moment);
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  const text = unit ? relative.format(Math.round(seconds / size), unit) : 'just now';
  return element('time', { dateTime: date.toISOString(), title: date.toLocaleString('en') }, text);
}

/** What a refusal says, in words for people. */
export function refusalText({ code, body }) {
  if (code === 'invalid_credentials') return 'That user name and password do not belong together.';
  if (code === 'session_store_unavailable') return 'The server is busy. Try again in a moment.';
  if (code === 'session_limit_reached')
    return 'You are signed in on as many devices as are allowed. Sign out on one first.';
  if (code === 'not_while_impersonating') return 'Only the user may do that. Be yourself again first.';
  return `That did not work: ${[body.message].flat().join('; ')}`;
}
