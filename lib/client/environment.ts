import type { SessionEnd, SessionEnvironment, SessionLocks } from './client.types.js';

/** The globals of pages. Declared here, because the types of browsers would apply to the whole library. */
interface Page {
  readonly location?: { readonly href: string };
  readonly document?: { readonly cookie: string };
  readonly navigator?: { readonly locks?: SessionLocks };
  readonly BroadcastChannel?: new (name: string) => {
    addEventListener(type: 'message', listener: (event: { readonly data: SessionEnd }) => void): void;
    postMessage(message: unknown): void;
    close(): void;
  };
}

const after: SessionEnvironment['after'] = (milliseconds, run) => {
  const timer = setTimeout(run, milliseconds);
  return () => clearTimeout(timer);
};

export function platformEnvironment(): SessionEnvironment {
  const { location, document, navigator, BroadcastChannel } = globalThis as unknown as Page;
  // A process that is not a browser may serve many users, who must not receive each other's events.
  if (!location) return { after };
  return {
    after,
    location,
    document,
    locks: navigator?.locks,
    openChannel:
      BroadcastChannel &&
      ((name, receive) => {
        try {
          const channel = new BroadcastChannel(name);
          channel.addEventListener('message', ({ data }) => void receive(data));
          return {
            // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin
            send: end => channel.postMessage(end),
            close: () => channel.close(),
          };
        } catch {
          // Where the browser denies a page its storage, it denies channels to other tabs as well.
          return undefined;
        }
      }),
  };
}
