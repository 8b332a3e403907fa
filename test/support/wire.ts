import type { Browser } from './browser.js';

type Pass = (request: Request) => Promise<Response>;

/** A client's line to the servers: it notes what is sent, and may be made to behave as networks do. */
export class Wire {
  /** Method and path of every request so far. */
  readonly sent: string[] = [];
  readonly requests: Request[] = [];
  /** Stands between the client and the server, if set. */
  between?: (request: Request, pass: Pass) => Promise<Response>;

  /** @param browser whose jar is used; without it no cookies are kept */
  constructor(private readonly browser?: Browser) {}

  readonly fetch: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    this.sent.push(`${request.method} ${new URL(request.url).pathname}`);
    this.requests.push(request);
    const pass = (sent: Request) => this.pass(sent);
    return this.between ? this.between(request, pass) : pass(request);
  };

  /** What was sent since the last call. */
  take(): string[] {
    return this.sent.splice(0);
  }

  /** Requests to that path are kept back until `release` is called. */
  hold(path: string): { release: () => void } {
    const { opened, release } = gate();
    this.between = async (request, pass) => {
      if (request.url.endsWith(path)) await opened;
      return pass(request);
    };
    return { release };
  }

  /** Answers to requests to that path are kept back until `release` is called. */
  holdAnswer(path: string): { release: () => void } {
    const { opened, release } = gate();
    this.between = async (request, pass) => {
      const response = await pass(request);
      if (request.url.endsWith(path)) await opened;
      return response;
    };
    return { release };
  }

  private async pass(request: Request): Promise<Response> {
    const cookie = request.credentials === 'omit' ? '' : this.browser?.cookieHeader(new URL(request.url).pathname);
    if (cookie) request.headers.set('cookie', cookie);
    const response = await fetch(request);
    this.browser?.keep({ setCookie: response.headers.getSetCookie() });
    return response;
  }
}

/** What may be waited for until `release` is called. */
function gate(): { opened: Promise<void>; release: () => void } {
  let release!: () => void;
  const opened = new Promise<void>(resolve => (release = resolve));
  return { opened, release };
}
