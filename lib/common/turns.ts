interface Waiter {
  readonly since: number;
  readonly begin: () => void;
  readonly fail: (error: Error) => void;
  next?: Waiter;
}

/**
 * Lets so many work at a time. The others wait in the order in which they came, and hold nothing meanwhile: neither a
 * connection nor what the work needs.
 */
export class Turns {
  private working = 0;
  private first?: Waiter;
  private last?: Waiter;

  constructor(
    private readonly most: number,
    private readonly monotonic: () => number,
  ) {}

  /**
   * @param isNext for what must not wait
   * @returns undefined where the turn has come. After each turn `end` is called; none comes where the promise is rejected
   */
  begin(isNext = false): Promise<void> | undefined {
    if (isNext || this.working < this.most) {
      this.working++;
      return undefined;
    }
    return new Promise((begin, fail) => {
      const waiter: Waiter = { since: this.monotonic(), begin, fail };
      if (this.last) this.last.next = waiter;
      else this.first = waiter;
      this.last = waiter;
    });
  }

  end(): void {
    const next = this.working <= this.most ? this.take() : undefined;
    if (next) next.begin();
    else this.working--;
  }

  /** Fails those that have waited for as long. @returns when the next one came */
  failSince(time: number, error: () => Error): number | undefined {
    while (this.first && this.first.since <= time) this.take()!.fail(error());
    return this.first?.since;
  }

  private take(): Waiter | undefined {
    const { first } = this;
    if (!first) return undefined;
    this.first = first.next;
    if (!this.first) this.last = undefined;
    // Otherwise the collector keeps whatever came later, for as long as one of them is old.
    first.next = undefined;
    return first;
  }
}
