import { Injectable } from '@nestjs/common';

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

/** Timers that do not keep the process alive. */
@Injectable()
export class SessionTimers {
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
   * @throws what `late` returns, after that many milliseconds
   */
  within<T>(milliseconds: number, answer: Promise<T>, late: () => Error): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const lateness = new Promise<never>((_, reject) => {
      timer = this.after(milliseconds, () => reject(late()));
    });
    return Promise.race([answer, lateness]).finally(() => this.clear(timer));
  }
}
