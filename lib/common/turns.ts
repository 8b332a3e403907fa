import type { Work } from './load-limit.js';

interface Waiter {
  readonly task: () => Promise<unknown>;
  readonly work: Work;
  readonly resolve: (outcome: Promise<unknown>) => void;
  readonly reject: (error: Error) => void;
  next?: Waiter;
}

/**
 * Lets so many work at a time. The others wait in the order in which they came, and hold nothing meanwhile: neither a
 * connection nor what the work needs. One that waits is small, because the collector copies what lives for long.
 */
export class Turns {
  private working = 0;
  private first?: Waiter;
  private last?: Waiter;

  /** @param ended called for each work that has ended, also without having begun */
  constructor(
    private readonly most: number,
    private readonly ended: (work: Work) => void,
  ) {}

  /** @param isNext for what must not wait */
  run<T>(task: () => Promise<T>, work: Work, isNext = false): Promise<T> {
    if (isNext || this.working < this.most) return this.perform(task, work);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { task, work, resolve: resolve as Waiter['resolve'], reject };
      if (this.last) this.last.next = waiter;
      else this.first = waiter;
      this.last = waiter;
    });
  }

  /** When the one that waits longest came; undefined where none waits. */
  get waitingSince(): number | undefined {
    return this.first?.work.since;
  }

  /** Fails those that have waited since then or longer. They do not begin. */
  failSince(time: number, error: () => Error): void {
    while (this.first && this.first.work.since <= time) {
      const { work, reject } = this.take()!;
      this.ended(work);
      reject(error());
    }
  }

  private async perform<T>(task: () => Promise<T>, work: Work): Promise<T> {
    this.working++;
    try {
      return await task();
    } finally {
      this.ended(work);
      this.working--;
      const next = this.working < this.most ? this.take() : undefined;
      next?.resolve(this.perform(next.task, next.work));
    }
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
