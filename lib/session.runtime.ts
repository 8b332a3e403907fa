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

/** Where random bytes come from: the operating system's CSPRNG. */
@Injectable()
export class SessionRandom {
  bytes(length: number): Buffer {
    return randomBytes(length);
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

  clear(timer: NodeJS.Timeout | undefined): void {
    clearTimeout(timer);
  }
}
