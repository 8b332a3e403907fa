import { byId, element } from './dom.js';
import { CASES } from './explain.js';

const MAX_STEPS = 5;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const track = byId('track');
const bar = byId('leeway');
const left = byId('leeway-left');

let drawn = '';
let windowEnd = 0;
let longest = 0;

/** Milliseconds until the leeway window ends. */
export const windowLeft = () => Math.max(0, windowEnd - performance.now());

/** Draws the state of the session while it lives. */
export function drawState({ generation, minted, lastCase, bound, windowLeft: remaining }) {
  windowEnd = performance.now() + remaining;
  // The length of the window is unknown; the longest remainder so far is used instead.
  longest = Math.max(longest, remaining);
  drawWindow();
  byId('last-case').replaceChildren(
    ...(lastCase ? [element('code', {}, lastCase), ` ${CASES[lastCase] ?? ''}`] : ['No refresh yet.']),
  );
  byId('binding').textContent = bound
    ? 'Bound to a key of this browser: a copy of its cookies cannot be refreshed.'
    : 'Not bound to a key: a copy of its cookies can be refreshed.';
  const now = `${generation} ${minted}`;
  if (now === drawn) return;
  drawn = now;
  track.classList.remove('ended');
  track.replaceChildren(...stepsOf(generation, minted));
}

/** The session has ended: no generation counts any more. */
export function drawEnd() {
  windowEnd = 0;
  drawWindow();
  track.classList.add('ended');
}

/** Lets the bar run down; in whole seconds for those who want less motion. */
export function runWindow() {
  setInterval(drawWindow, calm.matches ? 1_000 : 100);
}

function drawWindow() {
  const remaining = windowLeft();
  bar.max = Math.max(1, longest);
  bar.value = remaining;
  left.textContent = remaining > 0 ? `${Math.ceil(remaining / 1000)} s left` : 'closed';
}

function stepsOf(generation, minted) {
  const first = Math.max(0, generation - MAX_STEPS + 1);
  const numbers = Array.from({ length: generation - first + 1 }, (_, index) => first + index);
  return [
    ...numbers.map(number => step(number, number === generation ? 'current' : 'past')),
    ...(minted ? [step(generation + 1, 'minted')] : []),
  ];
}

const SPOKEN = { past: 'used up', current: 'in use', minted: 'handed out, not seen in use yet' };

function step(number, kind) {
  const dot = element('span', { className: `dot ${kind}` }, String(number));
  return element('li', {}, dot, element('span', { className: 'unseen' }, `generation ${number}, ${SPOKEN[kind]}`));
}
