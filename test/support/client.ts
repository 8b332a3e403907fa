/** The members of the API's bodies that tests read. */
export interface AnswerBody {
  statusCode?: number;
  error?: string;
  errorCode?: string;
  message?: string;
  class?: string;
  accessToken?: string;
  refreshToken?: string;
  expiresIn?: number;
  ended?: number;
  userId?: string;
  sessionId?: string;
  [name: string]: unknown;
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly setCookie: readonly string[];
  readonly body: AnswerBody;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** Sends a request as a script would: without cookies, Origin and Fetch Metadata unless given. */
export async function send(url: string, { method = 'GET', headers = {}, body }: SendOptions = {}): Promise<Answer> {
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    setCookie: response.headers.getSetCookie(),
    body: (text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : {}) as AnswerBody,
  };
}

/** A client with a cookie jar, which like a browser's keeps one value per name and applies answers in their order. */
export class CookieClient {
  readonly jar = new Map<string, string>();

  constructor(private readonly url: string) {}

  async send(path: string, options: SendOptions = {}): Promise<Answer> {
    const answer = await this.sendOnly(path, options);
    this.keep(answer);
    return answer;
  }

  /** Sends with the jar's cookies, but leaves the jar alone: the answer is lost, or late. */
  sendOnly(path: string, options: SendOptions = {}): Promise<Answer> {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    return send(`${this.url}${path}`, { ...options, headers: { ...(cookie ? { cookie } : {}), ...options.headers } });
  }

  keep(answer: Answer): void {
    for (const header of answer.setCookie) {
      const [pair, ...attributes] = header.split('; ');
      const name = pair!.slice(0, pair!.indexOf('='));
      if (attributes.includes('Max-Age=0')) this.jar.delete(name);
      else this.jar.set(name, pair!.slice(name.length + 1));
    }
  }

  copy(): CookieClient {
    const copy = new CookieClient(this.url);
    this.jar.forEach((value, name) => copy.jar.set(name, value));
    return copy;
  }

  logIn(userId: string, claims?: Record<string, unknown>): Promise<Answer> {
    return this.send('/login', { method: 'POST', body: { userId, claims } });
  }

  refresh(): Promise<Answer> {
    return this.send('/session/refresh', { method: 'POST' });
  }

  get refreshToken(): string {
    return this.jar.get(REFRESH_COOKIE)!;
  }

  get accessToken(): string {
    return this.jar.get(ACCESS_COOKIE)!;
  }
}

export const ACCESS_COOKIE = '__Host-Http-access_token';
export const REFRESH_COOKIE = '__Secure-refresh_token';
export const MARKER_COOKIE = '__Host-Http-session_marker';
/** That browsers bind (DBSC). */
export const BOUND_COOKIE = '__Host-session_bound';
