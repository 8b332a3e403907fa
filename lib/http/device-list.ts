import { cookieValues, serializeCookie } from '../common/cookies.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { DEVICE_COOKIE, DEVICE_HEADER } from '../session.constants.js';
import type { SessionExchange } from './exchange.js';
import type { ResponseHeaders } from './response-headers.js';

/** A year, in seconds. Each login sets the cookie again. */
const MAX_AGE = 31_536_000;

/**
 * The list of device tokens in HTTP messages: in a cookie for browsers, which outlives the session, and in a header for
 * bearer clients, which get it in the answer to the login.
 */
export class DeviceList {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
  ) {}

  read(exchange: SessionExchange): string[] {
    const header = exchange.header(DEVICE_HEADER);
    const cookies = this.options.transport === 'bearer' ? [] : cookieValues(exchange.cookies, this.cookieName);
    return header === undefined ? cookies : [header, ...cookies];
  }

  setCookie(exchange: SessionExchange, list: string): void {
    const { secure, sameSite = 'lax' } = this.options.cookies;
    this.headers.removeCookie(exchange, this.cookieName);
    // Lax, because the callback of a login by OAuth or a magic link is a navigation from another site.
    const cookie = serializeCookie(this.cookieName, list, MAX_AGE, { path: '/', secure, sameSite });
    this.headers.append(exchange, 'Set-Cookie', cookie);
  }

  /** Of this host alone, also with `cookies.domain`: no sibling domain and no script can plant it. */
  private get cookieName(): string {
    return this.options.cookies.secure ? `__Host-Http-${DEVICE_COOKIE}` : DEVICE_COOKIE;
  }
}
