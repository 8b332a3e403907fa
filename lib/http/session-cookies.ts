import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { BOUND_COOKIE, CSRF_COOKIE, MARKER_COOKIE } from '../session.constants.js';
import { InvalidRequestError, SessionUsageError } from '../session.errors.js';
import {
  type CookieAttributes,
  cookieValues,
  MAX_COOKIE_LENGTH,
  serializeAttributes,
  serializeCookie,
} from '../common/cookies.js';
import { SESSION_PATH } from '../options/static-options.js';
import type { SessionExchange } from './exchange.js';
import { isOverHttp, leadingPaths, possibleDomains } from './cookie-scopes.js';
import { formerCookieOf, presentOrFormer } from './former-cookies.js';
import type { ResponseHeaders } from './response-headers.js';

const BOUND_NAME = `__Host-${BOUND_COOKIE}`;

/**
 * The session cookies:
 *
 * | cookie | path | content |
 * |---|---|---|
 * | `__Host-Http-access_token` | `/` | the access token |
 * | `__Secure-refresh_token` | the refresh route's | the refresh token |
 * | `__Host-Http-session_marker` | `/` | names the session and the path of the refresh cookie, which has no `__Host-` |
 * | `__Host-csrf_token` | `/` | the CSRF token, where they are used |
 * | `__Host-session_bound` | `/` | nothing: the browser proves the key of the session where it is missing (DBSC) |
 *
 * `__Host-` keeps sibling domains from planting a cookie, and allows neither a domain nor a path. `__Host-Http-` (draft
 * of RFC 6265bis) keeps scripts of the page from it, too. Browsers that do not know it see a name that begins
 * with `__Host-`.
 */
export class SessionCookies {
  private controllerPath?: string;

  /** @param findControllerPath called when a path is first needed: the routes are not known before */
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
    private readonly findControllerPath: () => string,
  ) {}

  get accessName(): string {
    return this.prefixed(this.options.cookies.accessName, '__Host-Http-');
  }

  get refreshName(): string {
    const { secure, refreshName } = this.options.cookies;
    return secure ? `__Secure-${refreshName}` : refreshName;
  }

  /** Undefined where cookies have no `__Host-` prefix: a marker that a sibling domain can plant proves nothing. */
  get markerName(): string | undefined {
    const { secure, domain } = this.options.cookies;
    return secure && !domain ? `__Host-Http-${MARKER_COOKIE}` : undefined;
  }

  get refreshPath(): string {
    return this.options.cookies.refreshPath ?? this.mountedAt;
  }

  /** The path of the route of keys (DBSC), as the application mounts it. */
  get keyRoute(): string {
    return this.mountedAt === '/' ? `/${SESSION_PATH}/key` : `${this.mountedAt}/key`;
  }

  /** The same as browsers see it: a proxy may have stripped a prefix. */
  get keyPath(): string {
    const { refreshPath, keyRoute } = this;
    const covers = refreshPath === '/' || keyRoute.startsWith(`${refreshPath}/`);
    return covers ? keyRoute : `${refreshPath}/key`;
  }

  /**
   * The cookie that comes and goes with the access cookie of a bound session. Browsers bind it in its place: Chromium
   * binds no cookie of the prefix `__Host-Http-`. Nothing depends on it here, so that planting it is of no use.
   */
  get boundCookie(): { readonly name: string; readonly attributes: string } {
    return { name: BOUND_NAME, attributes: serializeAttributes(this.accessAttributes) };
  }

  /** The access tokens of a request. */
  readAccess(exchange: SessionExchange): string[] {
    return presentOrFormer(exchange, this.accessName);
  }

  readMarkers(exchange: SessionExchange): string[] {
    return this.markerName ? presentOrFormer(exchange, this.markerName) : [];
  }

  private get mountedAt(): string {
    return (this.controllerPath ??= this.findControllerPath());
  }

  /**
   * All cookies live as long as the refresh token, or until the browser is closed; the access token's own `exp` decides
   * when it is refused.
   *
   * @param maxAge seconds; undefined for cookies that end with the browser
   * @param hasMoved whether access cookies of other domains are to be expired
   */
  setAccess(exchange: SessionExchange, token: string, maxAge: number | undefined, hasMoved: boolean): void {
    this.headers.removeCookie(exchange, this.accessName);
    // First, because jars without a host-only flag (RFC 6265, section 5.3) take the cookie of the host itself as a domain
    // for the new one.
    if (hasMoved) this.expireMovedAccess(exchange);
    this.append(exchange, this.accessName, token, maxAge, this.accessAttributes);
  }

  /**
   * The access cookie of a session that is bound to a key ends before its token, so that the browser proves the key in
   * time.
   *
   * @param maxAge seconds
   */
  setBound(exchange: SessionExchange, token: string, maxAge: number): void {
    this.setAccess(exchange, token, maxAge, false);
    this.write(exchange, BOUND_NAME, '1', maxAge, this.accessAttributes);
  }

  /**
   * @param marker set where cookies have the prefix for it
   * @param maxAge seconds
   * @param hasMoved whether refresh cookies of other paths or domains are to be expired, first as well
   */
  setRefresh(
    exchange: SessionExchange,
    token: string,
    marker: string,
    maxAge: number | undefined,
    hasMoved: boolean,
  ): void {
    this.headers.removeCookie(exchange, this.refreshName);
    if (hasMoved) this.expireMovedRefresh(exchange);
    this.append(exchange, this.refreshName, token, maxAge, this.refreshAttributes);
    if (this.markerName) this.write(exchange, this.markerName, marker, maxAge, this.markerAttributes);
  }

  /** Expires the cookies of other paths and domains, which a deployment that moved them has left behind. */
  expireMoved(exchange: SessionExchange): void {
    this.expireMovedAccess(exchange);
    this.expireMovedRefresh(exchange);
  }

  /**
   * They came with the request, so their paths lead to its own, and their domains are its host or above. Behind a proxy
   * that strips a prefix, the path that the browser sees is that of the refresh cookie.
   */
  private expireMovedRefresh(exchange: SessionExchange): void {
    const { refreshPath, refreshAttributes, domain: own } = this;
    for (const path of new Set([exchange.path, refreshPath].flatMap(leadingPaths))) {
      for (const domain of possibleDomains(exchange)) {
        if (path === refreshPath && domain === own) continue;
        const expired = serializeCookie(this.refreshName, '', 0, { ...refreshAttributes, path, domain });
        this.headers.append(exchange, 'Set-Cookie', expired);
      }
    }
  }

  /** A guarded route takes none of several access cookies. */
  private expireMovedAccess(exchange: SessionExchange): void {
    // A cookie with the prefix has one path and no domain.
    if (this.accessName.startsWith('__Host-')) return;
    for (const domain of possibleDomains(exchange)) {
      if (domain === this.domain) continue;
      const expired = serializeCookie(this.accessName, '', 0, { ...this.accessAttributes, domain });
      this.headers.append(exchange, 'Set-Cookie', expired);
    }
  }

  /**
   * The one cookie that pages can read; it is no credential.
   *
   * @param maxAge seconds
   */
  setCsrf(exchange: SessionExchange, token: string, maxAge: number | undefined): void {
    this.write(exchange, this.csrfName, token, maxAge, this.csrfAttributes);
  }

  /** The session has no refresh token for browsers any more. */
  clearRefresh(exchange: SessionExchange): void {
    this.write(exchange, this.refreshName, '', 0, this.refreshAttributes);
    if (this.markerName) this.write(exchange, this.markerName, '', 0, this.markerAttributes);
  }

  clearAccess(exchange: SessionExchange): void {
    this.write(exchange, this.accessName, '', 0, this.accessAttributes);
    // So that the browser proves the key before the next request, or learns that the session has ended.
    if (cookieValues(exchange.cookies, BOUND_NAME).length === 0) return;
    this.write(exchange, BOUND_NAME, '', 0, this.accessAttributes);
  }

  /** Expires the cookies, with the attributes that they were set with: browsers ignore anything else. */
  clear(exchange: SessionExchange): void {
    if (this.options.transport === 'bearer') return;
    this.clearAccess(exchange);
    this.clearRefresh(exchange);
    if (this.options.csrf === 'token' || this.options.csrf === 'both') {
      this.write(exchange, this.csrfName, '', 0, this.csrfAttributes);
    }
  }

  /**
   * Browsers silently drop longer cookies, which would look like a failed login.
   *
   * @throws SessionUsageError for a token that does not fit into its cookie
   */
  requireFit(tokenLength: number): void {
    // The longest Max-Age that options allow has ten digits.
    const cookie = serializeCookie(this.accessName, '', 9_999_999_999, this.accessAttributes);
    const excess = cookie.length + tokenLength - MAX_COOKIE_LENGTH;
    if (excess <= 0) return;
    throw new SessionUsageError(
      `The claims make the access-token cookie ${excess} bytes longer than browsers take (${MAX_COOKIE_LENGTH}): put fewer or shorter ones into "claims", and the rest into "data"`,
    );
  }

  /**
   * Browsers drop Secure cookies of answers over http, except from this machine, which would look like a failed login.
   *
   * @throws InvalidRequestError for a login of a page that was opened so
   */
  requireKept(exchange: SessionExchange): void {
    if (!this.options.cookies.secure || !isOverHttp(exchange)) return;
    throw new InvalidRequestError(
      'The page was opened over http, where browsers keep no Secure cookies: open it over https or as http://localhost, or write cookies: { secure: false } for development',
    );
  }

  private write(
    exchange: SessionExchange,
    name: string,
    value: string,
    maxAge: number | undefined,
    attributes: CookieAttributes,
  ): void {
    this.headers.removeCookie(exchange, name);
    this.append(exchange, name, value, maxAge, attributes);
  }

  private append(
    exchange: SessionExchange,
    name: string,
    value: string,
    maxAge: number | undefined,
    attributes: CookieAttributes,
  ): void {
    const former = formerCookieOf(exchange, name);
    if (former !== undefined) {
      this.headers.removeCookie(exchange, former);
      this.headers.append(exchange, 'Set-Cookie', serializeCookie(former, '', 0, attributes));
    }
    this.headers.append(exchange, 'Set-Cookie', serializeCookie(name, value, maxAge, attributes));
    this.headers.set(exchange, 'Cache-Control', 'no-store');
  }

  /** Browsers ignore a leading dot. */
  private get domain(): string | undefined {
    return this.options.cookies.domain?.replace(/^\./, '').toLowerCase();
  }

  private get csrfName(): string {
    // Pages read it, so that it cannot have the prefix for HttpOnly cookies.
    return this.prefixed(CSRF_COOKIE, '__Host-');
  }

  private prefixed(name: string, prefixOfHost: '__Host-' | '__Host-Http-'): string {
    const { secure, domain } = this.options.cookies;
    if (!secure) return name;
    return `${domain ? '__Secure-' : prefixOfHost}${name}`;
  }

  private get csrfAttributes(): CookieAttributes {
    return { ...this.accessAttributes, readable: true };
  }

  private get accessAttributes(): CookieAttributes {
    const { secure, domain, sameSite } = this.options.cookies;
    return { path: '/', secure, domain, sameSite: sameSite ?? 'lax' };
  }

  private get markerAttributes(): CookieAttributes {
    return { ...this.refreshAttributes, path: '/' };
  }

  private get refreshAttributes(): CookieAttributes {
    const { secure, domain, sameSite } = this.options.cookies;
    return { path: this.refreshPath, secure, domain, sameSite: sameSite ?? 'strict' };
  }
}
