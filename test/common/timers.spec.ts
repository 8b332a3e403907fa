import { stat } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { SessionTimers } from '../../lib/common/clock.js';

/** As synchronous work of the application does. */
function blockEventLoop(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

describe('a wait with a time limit', () => {
  const timers = new SessionTimers();
  const late = () => new Error('late');

  it('does not end for the time in which the event loop was blocked: two answers, one after the other, are read', async () => {
    const answers = (async () => {
      await stat('.');
      await stat('.');
      return 'answered';
    })();
    const outcome = timers.within(50, answers, late);
    blockEventLoop(400);
    await expect(outcome).resolves.toBe('answered');
  });

  it('ends soon after that where no answer comes', async () => {
    const outcome = timers.within(50, new Promise(() => undefined), late);
    blockEventLoop(400);
    await expect(outcome).rejects.toThrow('late');
  });

  it('ends where the event loop is blocked again and again', async () => {
    let isOver = false;
    const outcome = timers.within(50, new Promise(() => undefined), late).catch(() => (isOver = true));
    for (const block of [200, 400]) {
      blockEventLoop(block);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    expect(isOver).toBe(true);
    await outcome;
  });
});
