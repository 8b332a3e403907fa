import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for something that another process does soon. */
export async function until(condition: () => Promise<boolean>, milliseconds = 30_000): Promise<void> {
  for (const end = Date.now() + milliseconds; !(await condition()); await sleep(20)) {
    if (Date.now() > end) throw new Error('it did not happen in time');
  }
}
