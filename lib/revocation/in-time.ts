import { SessionStoreUnavailableError } from '../session.errors.js';
import type { SessionTimers } from '../session.runtime.js';

/** The database's answer, unless it is late: a pool may have no connection to give, which no timeout of a query covers. */
export function inTime<T>(timers: SessionTimers, milliseconds: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = timers.after(milliseconds, () => reject(new SessionStoreUnavailableError()));
  });
  return Promise.race([answer, late]).finally(() => timers.clear(timer));
}
