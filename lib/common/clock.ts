import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';

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

/** Ids, salts and nonces are at most so long. They need to be unique and are no secrets, so that some may lie ready. */
const MAX_POOLED_BYTES = 16;
const READY_BYTES = 4_096;

/** Where random bytes come from: the operating system's CSPRNG. */
@Injectable()
export class SessionRandom {
  private ready = Buffer.alloc(0);

  /** No byte is given out twice. A secret is made when it is asked for. */
  bytes(length: number): Buffer {
    if (length > MAX_POOLED_BYTES) return randomBytes(length);
    if (this.ready.length < length) this.ready = randomBytes(READY_BYTES);
    const bytes = this.ready.subarray(0, length);
    this.ready = this.ready.subarray(length);
    return bytes;
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
