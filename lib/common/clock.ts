import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** What waits have together once the application shuts down, and what a later one has at least. */
const SHUTDOWN_TIMEOUT_MS = 2_000;
const MIN_SHUTDOWN_TIMEOUT_MS = 200;

/** The process's clock. Replace it in tests (`nestjs-jwt-session/testing`) so that they need no sleeping. */
@Injectable()
export class SessionClock {
  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now();
  }

  /** Milliseconds since an arbitrary moment. The value never goes back, and may stop while the machine sleeps. */
  monotonic(): number {
    return performance.now();
  }
}

/** A timer that fires later than this shows that the event loop was blocked, or the process suspended. */
const LATE_TIMER_MS = 100;

/** What a wait has afterwards at most, for the answers that lie in the sockets. */
const MAX_EXTENSION_MS = 1_000;

/** Timers that do not keep the process alive. */
@Injectable()
export class SessionTimers implements OnModuleDestroy {
  private readonly waits = new Set<() => void>();
  private shutdownEnd?: number;

  every(milliseconds: number, task: () => void): NodeJS.Timeout {
    return setInterval(task, milliseconds).unref();
  }

  after(milliseconds: number, task: () => void): NodeJS.Timeout {
    return setTimeout(task, milliseconds).unref();
  }

  /** Runs after the I/O callbacks of this iteration of the event loop. */
  atEndOfTurn(task: () => void): void {
    setImmediate(task);
  }

  clear(timer: NodeJS.Timeout | undefined): void {
    clearTimeout(timer);
  }

  /** Also keeps the process alive for that time. */
  pause(milliseconds: number): Promise<void> {
    return new Promise(resolve => setTimeout(resolve, milliseconds));
  }

  /**
   * The answer, unless it is late.
   *
   * @param late called when the time is over; returns the error
   * @throws what `late` returns, after that many milliseconds, or earlier where the application shuts down
   */
  within<T>(milliseconds: number, answer: Promise<T>, late: () => Error): Promise<T> {
    let end: () => void;
    const lateness = new Promise<never>((_, reject) => {
      end = this.giveUpAfter(milliseconds, () => reject(late()));
    });
    return Promise.race([answer, lateness]).finally(() => end());
  }

  /**
   * Calls `giveUp` after so many milliseconds, or earlier where the application shuts down. Time in which the event loop
   * was blocked is given again, once and up to a second: the answer may have come meanwhile.
   *
   * @returns a function that calls it off
   */
  giveUpAfter(milliseconds: number, giveUp: () => void): () => void {
    let timer: NodeJS.Timeout | undefined;
    const end = () => {
      this.waits.delete(over);
      this.clear(timer);
    };
    const over = () => {
      end();
      giveUp();
    };
    const length = Math.min(milliseconds, this.timeLeft);
    const due = performance.now() + length;
    timer = this.after(length, () => {
      const late = performance.now() - due;
      if (late < LATE_TIMER_MS || this.shutdownEnd !== undefined) over();
      else timer = this.after(Math.min(late, MAX_EXTENSION_MS), over);
    });
    this.waits.add(over);
    return end;
  }

  /**
   * The application shuts down: a database or a mail server that does not answer must not keep the process alive. Every
   * wait ends within two seconds, those that are under way as well.
   */
  onModuleDestroy(): void {
    if (this.shutdownEnd !== undefined) return;
    this.shutdownEnd = performance.now() + SHUTDOWN_TIMEOUT_MS;
    this.after(SHUTDOWN_TIMEOUT_MS, () => {
      for (const over of this.waits) over();
    });
  }

  private get timeLeft(): number {
    if (this.shutdownEnd === undefined) return Infinity;
    return Math.max(this.shutdownEnd - performance.now(), MIN_SHUTDOWN_TIMEOUT_MS);
  }
}
