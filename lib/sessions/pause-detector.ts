import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SessionTimers } from '../common/clock.js';
import { elapsed, type Moment } from '../rules/revocation-state.js';

const TICK_MS = 1_000;

/** The system's clock, also when a test has replaced `Date.now`: such a test does not suspend the process. */
const systemTime = Date.now;

/** Requests that waited in the sockets are read within this time after a pause. */
const RESUMING_MS = 1_000;

/**
 * Notices that the process did not run for a while: it was suspended, its machine slept or its event loop was blocked.
 * The requests that it reads then are older than they look, because they waited in the sockets.
 */
@Injectable()
export class PauseDetector implements OnApplicationBootstrap, OnModuleDestroy {
  private timer?: NodeJS.Timeout;
  private lastRun = this.moment();
  private lastPause?: { readonly length: number; readonly end: Moment };

  constructor(private readonly timers: SessionTimers) {}

  /** Not before all modules are ready: when one of them fails, no hook stops the timer. */
  onApplicationBootstrap(): void {
    this.lastRun = this.moment();
    this.timer = this.timers.every(TICK_MS, () => this.run());
  }

  onModuleDestroy(): void {
    this.timers.clear(this.timer);
    this.timer = undefined;
  }

  /** Whether a request that is read now may have waited for longer than `milliseconds`. */
  mayHaveWaited(milliseconds: number): boolean {
    // Without the timer, before start and after shutdown, nothing is known.
    if (!this.timer) return false;
    // After a pause a request can be read before the timer runs.
    this.run();
    const { lastPause } = this;
    // The pause may have begun just after the timer had run.
    return (
      lastPause !== undefined &&
      lastPause.length > milliseconds - TICK_MS &&
      elapsed(lastPause.end, this.lastRun) < RESUMING_MS
    );
  }

  protected moment(): Moment {
    return { monotonic: performance.now(), wall: systemTime() };
  }

  private run(): void {
    const now = this.moment();
    const length = elapsed(this.lastRun, now) - TICK_MS;
    if (length > TICK_MS) {
      const { lastPause } = this;
      const isResumed = !lastPause || elapsed(lastPause.end, this.lastRun) >= RESUMING_MS;
      this.lastPause = { length: isResumed ? length : lastPause.length + length, end: now };
    }
    this.lastRun = now;
  }
}
