import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { CSRF_COOKIE } from '../session.constants.js';
import { InvalidRequestError } from '../session.errors.js';
import { type CookieAttributes, MAX_COOKIE_LENGTH, serializeCookie } from '../common/cookies.js';
import type { SessionExchange } from './exchange.js';
import type { ResponseHeaders } from './response-headers.js';

/**
 * The session cookies: `__Host-access_token` for every path, `__Secure-refresh_token` for the refresh route only, and
 * `__Host-csrf_token` where CSRF tokens are used.
 */
export class SessionCookies {
  private controllerPath?: string;

  /** @param findControllerPath called when a path is first needed: the routes are not known before */
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
    private readonly findControllerPath: () => string,
  ) {}

  /** `__Host-` keeps sibling domains from planting the cookie; it allows neither a domain nor a path. */
  get accessName(): string {
    return this.prefixed(this.options.cookies.accessName);
  }

  get refreshName(): string {
    const { secure, refreshName } = this.options.cookies;
    return secure ? `__Secure-${refreshName}` : refreshName;
  }

  get refreshPath(): string {
    return this.options.cookies.refreshPath ?? (this.controllerPath ??= this.findControllerPath());
  }

  /**
   * All cookies live as long as the refresh token; the access token's own `exp` decides when it is refused.
   *
   * @param maxAge seconds
   */
  setAccess(exchange: SessionExchange, token: string, maxAge: number): void {
    this.write(exchange, this.accessName, token, maxAge, this.accessAttributes);
  }

  /** @param maxAge seconds */
  setRefresh(exchange: SessionExchange, token: string, maxAge: number): void {
    this.write(exchange, this.refreshName, token, maxAge, this.refreshAttributes);
  }

  /**
   * The one cookie that pages can read; it is no credential.
   *
   * @param maxAge seconds
   */
  setCsrf(exchange: SessionExchange, token: string, maxAge: number): void {
    this.write(exchange, this.csrfName, token, maxAge, this.csrfAttributes);
  }

  /** Expires the cookies, with the attributes that they were set with: browsers ignore anything else. */
  clear(exchange: SessionExchange): void {
    if (this.options.transport === 'bearer') return;
    this.write(exchange, this.accessName, '', 0, this.accessAttributes);
    this.write(exchange, this.refreshName, '', 0, this.refreshAttributes);
    if (this.options.csrf === 'token' || this.options.csrf === 'both') {
      this.write(exchange, this.csrfName, '', 0, this.csrfAttributes);
    }
  }

  /**
   * Browsers silently drop longer cookies, which would look like a failed login.
   *
   * @throws InvalidRequestError for a token that does not fit into its cookie
   */
  requireFit(tokenLength: number): void {
    // The longest Max-Age that options allow has ten digits.
    const cookie = serializeCookie(this.accessName, '', 9_999_999_999, this.accessAttributes);
    const excess = cookie.length + tokenLength - MAX_COOKIE_LENGTH;
    if (excess <= 0) return;
    throw new InvalidRequestError(
      `The claims make the access-token cookie ${excess} bytes longer than browsers take (${MAX_COOKIE_LENGTH}): put fewer or shorter ones into "claims", and the rest into "data"`,
    );
  }

  private write(
    exchange: SessionExchange,
    name: string,
    value: string,
    maxAge: number,
    attributes: CookieAttributes,
  ): void {
    this.headers.removeCookie(exchange, name);
    this.headers.append(exchange, 'Set-Cookie', serializeCookie(name, value, maxAge, attributes));
    this.headers.set(exchange, 'Cache-Control', 'no-store');
  }

  private get csrfName(): string {
    return this.prefixed(CSRF_COOKIE);
  }

  private prefixed(name: string): string {
    const { secure, domain } = this.options.cookies;
    if (!secure) return name;
    return `${domain ? '__Secure-' : '__Host-'}${name}`;
  }

  private get csrfAttributes(): CookieAttributes {
    return { ...this.accessAttributes, readable: true };
  }

  private get accessAttributes(): CookieAttributes {
    const { secure, domain, sameSite } = this.options.cookies;
    return { path: '/', secure, domain, sameSite: sameSite ?? 'lax' };
  }

  private get refreshAttributes(): CookieAttributes {
    const { secure, domain, sameSite } = this.options.cookies;
    return { path: this.refreshPath, secure, domain, sameSite: sameSite ?? 'strict' };
  }
}
