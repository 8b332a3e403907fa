/** So few are always admitted: they are no sign of a queue, and show whether a server that hung answers again. */
const MIN_UNDER_WAY = 32;

/** Milliseconds per item before anything was measured. */
const FIRST_TIME_PER_ITEM = 1;

/** The weight of a measurement: one slow item moves the average little, and some dozens move it fully. */
const WEIGHT = 1 / 16;

/** An item that was let in. */
export interface Work {
  readonly since: number;
  /** How many were under way before it. */
  readonly ahead: number;
  /** How many had ended before it. */
  readonly endedBefore: number;
}

/**
 * Bounds the work under way, so that what is let in is answered in time. A queue's wait is its length times the time per
 * item (Little's law). Both are measured here, so that neither connections nor processors need to be counted.
 */
export class LoadLimit {
  private underWay = 0;
  private ended = 0;
  private lastEnd = 0;

  /**
   * @param maxWait milliseconds
   * @param monotonic a clock in milliseconds that never goes back
   * @param timePerItem milliseconds, before anything was measured
   */
  constructor(
    private readonly maxWait: number,
    private readonly monotonic: () => number,
    private timePerItem = FIRST_TIME_PER_ITEM,
  ) {}

  /** How many items are under way. */
  get waiting(): number {
    return this.underWay;
  }

  /** @returns undefined where the item would have to wait for too long */
  begin(): Work | undefined {
    const now = this.monotonic();
    if (this.underWay >= MIN_UNDER_WAY && this.waitAt(now) > this.maxWait) return undefined;
    if (this.underWay === 0) this.lastEnd = now;
    return { since: now, ahead: this.underWay++, endedBefore: this.ended };
  }

  /** Called once, whatever became of the item. */
  end({ since, ahead, endedBefore }: Work): void {
    const now = this.monotonic();
    this.underWay--;
    this.ended++;
    this.lastEnd = now;
    if (ahead < MIN_UNDER_WAY) return;
    // Of an item that was overtaken, as one that waits for a lock, the others' ends say more than its own.
    const measured = (now - since) / Math.max(ahead + 1, this.ended - endedBefore);
    this.timePerItem += (measured - this.timePerItem) * WEIGHT;
  }

  /** A queue of which nothing comes out waits at least as long as that has gone on. */
  private waitAt(now: number): number {
    return Math.max(this.underWay * this.timePerItem, now - this.lastEnd);
  }
}
