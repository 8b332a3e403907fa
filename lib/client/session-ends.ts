import type { SessionEnd, SessionEnvironment, SessionFetchOptions } from './client.types.js';
import type { Transport } from './transport.js';

/** Tells this page and the other tabs that the session has ended: once, until another one has begun. */
export function sessionEnds(
  name: string,
  { openChannel }: SessionEnvironment,
  transport: Transport,
  onSessionEnd: SessionFetchOptions['onSessionEnd'],
) {
  let over = false;
  let ended = 0;
  const tell = (end: SessionEnd): boolean => {
    if (over) return false;
    over = true;
    ended++;
    // What the page throws is its own, not the answer to a request.
    if (onSessionEnd) queueMicrotask(() => onSessionEnd(end));
    return true;
  };
  let channel = openChannel?.(name, async end => {
    if (await transport.isGone()) tell(end);
  });
  return {
    /** Tells sessions apart; undefined while there is none. */
    current: () => (over ? undefined : ended),
    begin() {
      over = false;
    },
    end(end: SessionEnd) {
      if (tell(end)) channel?.send(end);
    },
    close() {
      channel?.close();
      channel = undefined;
    },
  };
}
