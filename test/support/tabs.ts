import type { SessionEnvironment, SessionLocks } from 'nestjs-jwt-session/client';

interface Waiting {
  readonly shared: boolean;
  readonly grant: () => void;
}

/** Locks as `navigator.locks` has them, as far as they are used: exclusive or shared, tried or waited for. */
export class FakeLocks implements SessionLocks {
  private readonly held: boolean[] = [];
  private readonly queue: Waiting[] = [];

  async request<T>(
    _name: string,
    { mode, ifAvailable, signal }: Parameters<SessionLocks['request']>[1],
    run: (lock: object | null) => T,
  ): Promise<Awaited<T>> {
    const shared = mode === 'shared';
    const isFree = this.queue.length === 0 && this.isFree(shared);
    if (ifAvailable && !isFree) return await run(null);
    if (!isFree) await this.wait(shared, signal as AbortSignal | undefined);
    this.held.push(shared);
    try {
      return await run({});
    } finally {
      this.held.splice(this.held.indexOf(shared), 1);
      while (this.queue[0] && this.isFree(this.queue[0].shared)) this.queue.shift()!.grant();
    }
  }

  get waiting(): number {
    return this.queue.length;
  }

  private isFree(shared: boolean): boolean {
    return this.held.length === 0 || (shared && this.held.every(Boolean));
  }

  private wait(shared: boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((grant, reject) => {
      const waiting = { shared, grant };
      this.queue.push(waiting);
      signal?.addEventListener('abort', () => {
        this.queue.splice(this.queue.indexOf(waiting), 1);
        reject(signal.reason);
      });
    });
  }
}

/** Time that passes when a test says so. */
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

  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const timer of this.timers) {
      if (timer.at > this.now) continue;
      this.timers.delete(timer);
      timer.run();
    }
  }
}

/** Tabs hear of each other as in a browser, through Node's own `BroadcastChannel`. */
export const openChannel: SessionEnvironment['openChannel'] = (name, receive) => {
  const channel = new BroadcastChannel(name);
  channel.addEventListener('message', event => void receive((event as MessageEvent).data));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin
  return { send: end => channel.postMessage(end), close: () => channel.close() };
};
