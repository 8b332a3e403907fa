import type { CookieJarClient } from './cookie-jar-client.js';

type Forward = (request: Request) => Promise<Response>;

/** A `fetch` that records the requests, and that can delay or replace the answers. */
export class RecordingFetch {
  /** Method and path of every request so far. */
  readonly sent: string[] = [];
  readonly requests: Request[] = [];
  /** If set, decides what happens to a request; `forward` sends it. */
  between?: (request: Request, forward: Forward) => Promise<Response>;

  /** @param browser whose cookie jar is used; without it cookies are dropped */
  constructor(private readonly browser?: CookieJarClient) {}

  readonly fetch: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    this.sent.push(`${request.method} ${new URL(request.url).pathname}`);
    this.requests.push(request);
    const forward = (sent: Request) => this.forward(sent);
    return this.between ? this.between(request, forward) : forward(request);
  };

  /** Method and path of the requests since the last call. */
  take(): string[] {
    return this.sent.splice(0);
  }

  /** Holds requests to that path until `release` is called. */
  hold(path: string): { release: () => void } {
    const { opened, release } = gate();
    this.between = async (request, forward) => {
      if (request.url.endsWith(path)) await opened;
      return forward(request);
    };
    return { release };
  }

  /** Holds the answers of requests to that path until `release` is called. */
  holdAnswer(path: string): { release: () => void } {
    const { opened, release } = gate();
    this.between = async (request, forward) => {
      const response = await forward(request);
      if (request.url.endsWith(path)) await opened;
      return response;
    };
    return { release };
  }

  private async forward(request: Request): Promise<Response> {
    const cookie = request.credentials === 'omit' ? '' : this.browser?.cookieHeader(new URL(request.url).pathname);
    if (cookie) request.headers.set('cookie', cookie);
    const response = await fetch(request);
    this.browser?.keep({ setCookie: response.headers.getSetCookie() });
    return response;
  }
}

/** A promise that `release` resolves. */
function gate(): { opened: Promise<void>; release: () => void } {
  let release!: () => void;
  const opened = new Promise<void>(resolve => (release = resolve));
  return { opened, release };
}
