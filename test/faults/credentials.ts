import type { Interval } from './history.js';

/** The answer to a request, read to its end. */
export interface ReadAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly retryAfter?: string;
  readonly setCookie: readonly string[];
}

/** An access token as it is sent, and when it was issued. */
export interface AccessToken {
  readonly headers: Readonly<Record<string, string>>;
  readonly sessionId: string;
  readonly issued: Interval;
}

export interface RefreshRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: object;
}

/** The tokens of one session as a client keeps them: it replaces what it had by what it is answered. */
export interface Credentials {
  readonly sessionId: string;
  readonly access: AccessToken;
  readonly refresh: RefreshRequest;
  keep(answer: ReadAnswer, issued: Interval): void;
  copy(): Credentials;
}

export type Transport = 'cookie' | 'bearer';

export function credentialsOf(transport: Transport, logIn: ReadAnswer, issued: Interval): Credentials {
  const sessionId = String(logIn.body.sessionId);
  return transport === 'cookie'
    ? CookieCredentials.from(sessionId, logIn, issued)
    : BearerCredentials.from(sessionId, logIn, issued);
}

class BearerCredentials implements Credentials {
  private constructor(
    readonly sessionId: string,
    private accessToken: string,
    private refreshToken: string,
    private issued: Interval,
  ) {}

  static from(sessionId: string, { body }: ReadAnswer, issued: Interval): BearerCredentials {
    return new BearerCredentials(sessionId, String(body.accessToken), String(body.refreshToken), issued);
  }

  get access(): AccessToken {
    const { sessionId, issued } = this;
    return { headers: { authorization: `Bearer ${this.accessToken}` }, sessionId, issued };
  }

  get refresh(): RefreshRequest {
    const { refreshToken, accessToken } = this;
    return { headers: {}, body: { refreshToken, accessToken } };
  }

  keep({ body }: ReadAnswer, issued: Interval): void {
    if (typeof body.accessToken === 'string') {
      this.accessToken = body.accessToken;
      this.issued = issued;
    }
    if (typeof body.refreshToken === 'string') this.refreshToken = body.refreshToken;
  }

  copy(): Credentials {
    return new BearerCredentials(this.sessionId, this.accessToken, this.refreshToken, this.issued);
  }
}

class CookieCredentials implements Credentials {
  private constructor(
    readonly sessionId: string,
    private readonly jar: Map<string, string>,
    private issued: Interval,
  ) {}

  static from(sessionId: string, answer: ReadAnswer, issued: Interval): CookieCredentials {
    const credentials = new CookieCredentials(sessionId, new Map(), issued);
    credentials.keep(answer, issued);
    return credentials;
  }

  get access(): AccessToken {
    const { sessionId, issued } = this;
    return { headers: { cookie: this.header }, sessionId, issued };
  }

  get refresh(): RefreshRequest {
    return { headers: { cookie: this.header } };
  }

  keep({ status, setCookie }: ReadAnswer, issued: Interval): void {
    // A refusal clears the cookies of a session that has ended; its client drops them all.
    if (status !== 200) return;
    for (const cookie of setCookie) {
      const [pair] = cookie.split(';');
      const end = pair!.indexOf('=');
      this.jar.set(pair!.slice(0, end), pair!.slice(end + 1));
    }
    if (setCookie.some(cookie => cookie.includes('access_token='))) this.issued = issued;
  }

  copy(): Credentials {
    return new CookieCredentials(this.sessionId, new Map(this.jar), this.issued);
  }

  private get header(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}
