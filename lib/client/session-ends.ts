import type { SessionEnd, SessionEnvironment, SessionListener } from './client.types.js';
import type { Transport } from './transport.js';

/** Tells this page and the other tabs that the session has ended: once, until another one has begun. */
export function sessionEnds(name: string, { openChannel }: SessionEnvironment, transport: Transport) {
  const listeners = new Set<SessionListener>();
  let ended: SessionEnd | undefined;
  let count = 0;
  const tell = (end: SessionEnd | undefined): boolean => {
    if (!end === !ended) return false;
    ended = end;
    if (end) count++;
    // An error that a listener throws is its own, not the answer to a request.
    for (const listener of listeners) queueMicrotask(() => listener(end));
    return true;
  };
  let channel = openChannel?.(name, async end => {
    if (await transport.isGone()) tell(end);
  });
  return {
    /** Identifies the session; undefined while there is none. */
    current: () => (ended ? undefined : count),
    ended: () => ended,
    begin: () => tell(undefined),
    end(end: SessionEnd) {
      if (tell(end)) channel?.send(end);
    },
    subscribe(listener: SessionListener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      channel?.close();
      channel = undefined;
    },
  };
}
