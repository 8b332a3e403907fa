import { SessionClock } from '../common/clock.js';
import { parseDuration } from '../common/duration.js';

/**
 * A clock that tests set: `overrideProvider(SessionClock).useValue(new TestClock())`. It decides when access tokens
 * expire and when keys rotate. Leeway windows and session lifetimes are the database's clock's business.
 */
export class TestClock extends SessionClock {
  private offset = 0;

  override now(): number {
    return Date.now() + this.offset;
  }

  override monotonic(): number {
    return super.monotonic() + Math.max(this.offset, 0);
  }

  /** @param duration such as `'11m'`; a clock can also go back: `'-1h'` */
  advance(duration: string): void {
    const milliseconds = parseDuration(duration.replace(/^-/, ''));
    if (milliseconds === undefined)
      throw new Error(`TestClock.advance: write a duration such as '11m', not '${duration}'`);
    this.offset += duration.startsWith('-') ? -milliseconds : milliseconds;
  }

  /** Back to the time that it is. */
  reset(): void {
    this.offset = 0;
  }
}
