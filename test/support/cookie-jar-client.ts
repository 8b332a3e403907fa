import { type Answer, send, type SendOptions } from './client.js';

export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly attributes: Readonly<Record<string, string | true>>;
}

/** Takes a `Set-Cookie` header apart. */
export function parseCookie(header: string): Cookie {
  const [pair, ...attributes] = header.split('; ').map(part => {
    const equals = part.indexOf('=');
    return equals === -1 ? ([part, true] as const) : ([part.slice(0, equals), part.slice(equals + 1)] as const);
  });
  return { name: pair![0], value: String(pair![1]), attributes: Object.fromEntries(attributes) };
}

/** The attributes that tell a browser which cookie is meant, and how it is kept: all but its age. */
export function identity({ name, attributes }: Cookie) {
  const { 'Max-Age': _age, Expires: _expires, ...rest } = attributes;
  return { name, ...rest };
}

/**
 * A client whose jar follows RFC 6265bis where that matters here: a cookie is the one of its name, domain and path,
 * goes to the paths below its own only, and is cleared only by a header that names the same domain and path.
 */
export class CookieJarClient {
  cookies: Cookie[] = [];

  constructor(private readonly url: string) {}

  /** A client with the same cookies, of another process of the application. */
  copyAt(url: string): CookieJarClient {
    const copy = new CookieJarClient(url);
    copy.cookies = [...this.cookies];
    return copy;
  }

  async send(path: string, options: SendOptions = {}): Promise<Answer> {
    const answer = await this.sendOnly(path, options);
    this.keep(answer);
    return answer;
  }

  /** Sends with the jar's cookies and leaves the jar alone. */
  sendOnly(path: string, options: SendOptions = {}): Promise<Answer> {
    const cookie = this.cookieHeader(path);
    return send(`${this.url}${path}`, { ...options, headers: { ...(cookie ? { cookie } : {}), ...options.headers } });
  }

  post(path: string, body?: unknown): Promise<Answer> {
    return this.send(path, { method: 'POST', body });
  }

  logIn(userId: string, path = '/login'): Promise<Answer> {
    return this.post(path, { userId });
  }

  /** The cookies of a request to that path. */
  cookieHeader(path: string): string {
    return this.cookies
      .filter(({ attributes }) => liesUnder(path.split('?')[0]!, String(attributes.Path)))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  valueOf(name: string): string {
    return this.cookies.find(cookie => cookie.name.endsWith(name))!.value;
  }

  keep({ setCookie }: Pick<Answer, 'setCookie'>): void {
    for (const cookie of setCookie.map(parseCookie)) {
      requirePrefixRules(cookie);
      this.cookies = this.cookies.filter(
        ({ name, attributes: { Path, Domain } }) =>
          name !== cookie.name || Path !== cookie.attributes.Path || Domain !== cookie.attributes.Domain,
      );
      if (Number(cookie.attributes['Max-Age']) > 0) this.cookies.push(cookie);
    }
  }
}

function liesUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** Browsers silently drop cookies that break the rules of their prefix; a test must fail then. */
function requirePrefixRules({ name, attributes: { Secure, Path, Domain, HttpOnly } }: Cookie): void {
  const isOfHost = Secure && Path === '/' && !Domain && (HttpOnly || !name.startsWith('__Host-Http-'));
  const sound = name.startsWith('__Host-') ? isOfHost : !name.startsWith('__') || Secure;
  if (!sound) throw new Error(`browsers would drop the cookie ${name}`);
}
