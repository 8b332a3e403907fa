import { Injectable } from '@nestjs/common';

/** The process's clock. Replace it in tests (`nestjs-jwt-session/testing`) so that they need no sleeping. */
@Injectable()
export class SessionClock {
  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now();
  }

  /** Milliseconds since some moment; never goes back, and may stand still while the machine sleeps. */
  monotonic(): number {
    return performance.now();
  }
}

/** Timers, of which none keeps the process alive. */
@Injectable()
export class SessionTimers {
  every(milliseconds: number, task: () => void): NodeJS.Timeout {
    return setInterval(task, milliseconds).unref();
  }

  after(milliseconds: number, task: () => void): NodeJS.Timeout {
    return setTimeout(task, milliseconds).unref();
  }

  /** When what has arrived in this turn of the event loop was read. */
  atEndOfTurn(task: () => void): void {
    setImmediate(task);
  }

  clear(timer: NodeJS.Timeout | undefined): void {
    clearTimeout(timer);
  }

  /**
   * The database's answer, unless it is late: a pool may have no connection to give, which no timeout of a query covers.
   *
   * @param late makes the error
   * @throws SessionStoreUnavailableError after so many milliseconds
   */
  within<T>(milliseconds: number, answer: Promise<T>, late: () => Error): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const lateness = new Promise<never>((_, reject) => {
      timer = this.after(milliseconds, () => reject(late()));
    });
    return Promise.race([answer, lateness]).finally(() => this.clear(timer));
  }
}
