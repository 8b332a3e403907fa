import { once } from 'node:events';

/**
 * How to hear from a process that was forked: a function that waits for its next message.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} name for the error when it ends instead
 */
export function answersOf(child, name) {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with code ${code}`);
  });
  // The outcome of requests that have answered is not asked for.
  ended.catch(() => {});
  return async () => (await Promise.race([once(child, 'message'), ended]))[0];
}
