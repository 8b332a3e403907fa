import type { SessionEnvironment } from './client.types.js';
import { withinTimeLimit } from './time-limit.js';
import type { Mark, Transport } from './transport.js';

/**
 * | outcome | the caller |
 * |---|---|
 * | `refreshed` | repeats its request once |
 * | `changed` | repeats it, too: others have refreshed meanwhile, or have tried to |
 * | `refused` | passes the 401 on |
 */
export type RefreshOutcome = 'refreshed' | 'changed' | 'refused';

/** Shares one refresh among the requests of a page, and among tabs where there are locks. */
export function refresher(
  name: string,
  { locks, after }: SessionEnvironment,
  transport: Transport,
  postRefresh: (mark: Mark) => Promise<RefreshOutcome>,
): (mark: Mark) => Promise<RefreshOutcome> {
  let running: Promise<RefreshOutcome> | undefined;

  const refresh = async (mark: Mark): Promise<RefreshOutcome> => {
    if (!locks) return postRefresh(mark);
    let asked = false;
    try {
      const outcome = await locks.request(name, { ifAvailable: true }, lock => {
        asked = true;
        return lock && postRefresh(mark);
      });
      if (outcome) return outcome;
    } catch (error) {
      if (asked) throw error;
      // Where the browser denies a page its storage, it denies locks as well.
      return postRefresh(mark);
    }
    try {
      await withinTimeLimit(after, signal => locks.request(name, { signal }, () => undefined));
    } catch {
      // A sleeping tab holds the lock. Two refreshes at once do no harm, so no tab waits longer.
      return postRefresh(mark);
    }
    // Nothing tells a tab reliably how another one's refresh went: the repeated request will.
    transport.suspectChange();
    return 'changed';
  };

  return mark =>
    (running ??= refresh(mark).finally(() => {
      running = undefined;
    }));
}
