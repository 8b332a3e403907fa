import type { SharedClock } from './database.js';

/** The default of `keys.rotateEvery`. */
const PERIOD = 7 * 24 * 3_600_000;

/**
 * Moves the clock to the middle of a period of keys: near its end the next key is there too, on some day of the week.
 */
export function toMidPeriod(clock: SharedClock): Promise<void> {
  return clock.advance(`${PERIOD * 1.5 - (clock.now() % PERIOD)}ms`);
}
