import type { SessionEnvironment, SessionLocks } from 'nestjs-jwt-session/client';

/** One lock as `navigator.locks` has them, as far as they are used: tried, or waited for. */
export class FakeLocks implements SessionLocks {
  private isHeld = false;
  private readonly queue: (() => void)[] = [];

  async request<T>(
    _name: string,
    { ifAvailable, signal }: Parameters<SessionLocks['request']>[1],
    run: (lock: object | null) => T,
  ): Promise<Awaited<T>> {
    if (ifAvailable && this.isHeld) return await run(null);
    if (this.isHeld) await this.wait(signal as AbortSignal | undefined);
    this.isHeld = true;
    try {
      return await run({});
    } finally {
      const next = this.queue.shift();
      // Handed on, so that nobody can take it in between.
      if (next) next();
      else this.isHeld = false;
    }
  }

  get waiting(): number {
    return this.queue.length;
  }

  private wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((grant, reject) => {
      this.queue.push(grant);
      signal?.addEventListener('abort', () => {
        this.queue.splice(this.queue.indexOf(grant), 1);
        reject(signal.reason);
      });
    });
  }
}

/** A time that only the test advances. */
export class ManualTimers {
  private now = 0;
  private readonly timers = new Set<{ readonly at: number; readonly run: () => void }>();

  readonly after: SessionEnvironment['after'] = (milliseconds, run) => {
    const timer = { at: this.now + milliseconds, run };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };

  /** How many are under way. */
  get size(): number {
    return this.timers.size;
  }

  advance(milliseconds: number): void {
    this.now += milliseconds;
    for (const timer of this.timers) {
      if (timer.at > this.now) continue;
      this.timers.delete(timer);
      timer.run();
    }
  }
}

/** Tabs communicate as in a browser, through Node's own `BroadcastChannel`. */
export const openChannel: SessionEnvironment['openChannel'] = (name, receive) => {
  const channel = new BroadcastChannel(name);
  channel.addEventListener('message', event => void receive((event as MessageEvent).data));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin
  return { send: end => channel.postMessage(end), close: () => channel.close() };
};
