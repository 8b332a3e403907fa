import { Injectable, Optional } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { TRANSPORT_HEADER } from '../session.constants.js';
import {
  AccessTokenInvalidError,
  InvalidRequestError,
  KeyProofInvalidError,
  SessionError,
  SessionKeyRequiredError,
  SessionUsageError,
} from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import type { IssuedTokens, TokenTransport } from '../session.types.js';
import { MAX_ACCESS_TOKEN_LENGTH, secondsUntilEnd, type SignedAccessToken } from '../tokens/access-token.claims.js';
import { findControllerPath } from './controller-path.js';
import { cookieValues } from '../common/cookies.js';
import { SessionClock } from '../common/clock.js';
import { isAppOrigin } from '../common/origins.js';
import { CsrfProtection } from './csrf.js';
import { DbscMessages } from './dbsc.js';
import { DeviceList } from './device-list.js';
import { DpopProofs } from './dpop.js';
import type { SessionExchange } from './exchange.js';
import { RefreshCookies } from './refresh-cookies.js';
import { refusalHeaders } from './refusal-headers.js';
import { ResponseHeaders } from './response-headers.js';
import { SessionCookies } from './session-cookies.js';
import { markerOf } from './session-marker.js';

/** The access token of a request, and how it came. */
export interface IncomingAccessToken {
  readonly token: string;
  readonly transport: TokenTransport;
  /** Whether it came as `Authorization: DPoP`. */
  readonly isDpop?: boolean;
}

/** The refresh tokens of a request, and how they came. */
export type IncomingRefreshTokens =
  | { readonly transport: 'cookie'; readonly cookies: RefreshCookies }
  | { readonly transport: 'bearer'; readonly token: string };

/** Tokens on their way to the client. */
export interface OutgoingTokens {
  readonly access: SignedAccessToken;
  readonly refreshToken: string;
  /** Whether the client does not have this refresh token yet. */
  readonly isNew: boolean;
  readonly exchange?: SessionExchange;
  readonly transport: TokenTransport;
  /** Whether the cookies outlive the browser. */
  readonly isRemembered: boolean;
  /** Whether another session came with the request. Its access cookie may be one of another domain. */
  readonly replaces?: boolean;
}

const DPOP = /^dpop(?: |$)/i;
const BEARER = /^bearer(?: |$)/i;
const MAX_MISPLACED = 8;

/**
 * Session tokens in HTTP messages: reads them from requests, delivers them in responses, and answers refusals.
 *
 * | a request with | access token | refresh token | cookies are cleared |
 * |---|---|---|---|
 * | `Authorization` | from that header alone | from the body | no |
 * | cookies | from its cookie | from its cookie | yes |
 * | neither | none | from the body | no |
 */
@Injectable()
export class SessionHttp {
  readonly headers: ResponseHeaders;
  readonly cookies: SessionCookies;
  readonly csrf: CsrfProtection;
  readonly devices: DeviceList;
  private readonly refreshCookies = new WeakMap<SessionExchange, RefreshCookies>();
  readonly dpop: DpopProofs;
  /** Undefined in a service with the verifier alone. */
  readonly dbsc?: DbscMessages;
  /** The error that a request was last refused with. */
  private readonly refusals = new WeakMap<object, SessionError>();
  /** Errors whose event was emitted where no request was known. */
  private readonly announced = new WeakSet<SessionError>();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly events: SessionEvents,
    host: HttpAdapterHost,
    modules: ModulesContainer,
    config: ApplicationConfig,
    clock: SessionClock,
    // A service with the verifier alone has none: it sets no cookies.
    @Optional() private readonly secrets?: ServerSecrets,
  ) {
    this.headers = new ResponseHeaders(host);
    this.cookies = new SessionCookies(options, this.headers, () => findControllerPath(modules, config));
    this.csrf = new CsrfProtection(options, this.headers, secrets);
    this.devices = new DeviceList(options, this.headers);
    this.dpop = new DpopProofs(options, this.headers, clock, secrets);
    if (secrets) this.dbsc = new DbscMessages(options, this.headers, this.cookies, this.csrf, clock, secrets);
  }

  /** Where `Authorization` is present, it alone counts: a cookie must not authenticate a request whose header fails. */
  usesAuthorization(exchange: SessionExchange): boolean {
    return this.options.transport !== 'cookie' && exchange.header('authorization') !== undefined;
  }

  /** @throws AccessTokenInvalidError for several access cookies that differ */
  readAccessToken(exchange: SessionExchange): IncomingAccessToken | undefined {
    if (this.usesAuthorization(exchange)) {
      const header = exchange.header('authorization')!;
      if (BEARER.test(header)) return { token: header.slice('bearer'.length).trim(), transport: 'bearer' };
      return DPOP.test(header)
        ? { token: header.slice('dpop'.length).trim(), transport: 'bearer', isDpop: true }
        : undefined;
    }
    if (this.options.transport === 'bearer') return undefined;
    const [token, another] = this.cookies.readAccess(exchange);
    if (another !== undefined) throw new AccessTokenInvalidError('Several access-token cookies came with the request');
    return token === undefined ? undefined : { token, transport: 'cookie' };
  }

  /** The refresh tokens of a request: those of cookies, else that of the body. */
  readRefreshTokens(exchange: SessionExchange): IncomingRefreshTokens | undefined {
    const cookies = this.readRefreshCookies(exchange);
    if (cookies) return cookies;
    if (this.options.transport === 'cookie') return undefined;
    const token = exchange.bodyMember('refreshToken');
    if (token === undefined || token === null) return undefined;
    return { transport: 'bearer', token: typeof token === 'string' ? token : '' };
  }

  /** Where clients send refresh tokens by mistake: a few members of the body under other names, and Authorization. */
  misplacedTexts(exchange: SessionExchange): [place: string, text: string][] {
    if (this.options.transport === 'cookie') return [];
    const { body } = exchange.request;
    const members = typeof body === 'object' && body !== null ? Object.entries(body).slice(0, MAX_MISPLACED) : [];
    const texts = members.map(([name, value]): [string, unknown] => [`"${name.slice(0, 64)}"`, value]);
    const authorization = exchange.header('authorization')?.replace(BEARER, '').trim();
    return [...texts, ['Authorization', authorization]].filter(
      (text): text is [string, string] => typeof text[1] === 'string',
    );
  }

  readRefreshCookies(exchange: SessionExchange): Extract<IncomingRefreshTokens, { transport: 'cookie' }> | undefined {
    if (this.options.transport === 'bearer' || this.usesAuthorization(exchange)) return undefined;
    const cookies = this.refreshCookiesOf(exchange);
    return cookies.tokens.length > 0 ? { transport: 'cookie', cookies } : undefined;
  }

  /** Whether or not they count. One reading serves all that happens with an exchange. */
  private refreshCookiesOf(exchange: SessionExchange): RefreshCookies {
    let cookies = this.refreshCookies.get(exchange);
    if (!cookies) {
      const tokens = cookieValues(exchange.cookies, this.cookies.refreshName);
      cookies = new RefreshCookies(tokens, this.cookies.readMarkers(exchange), this.secrets!);
      this.refreshCookies.set(exchange, cookies);
    }
    return cookies;
  }

  /**
   * How a client that logs in gets its tokens. Under `both` a page of a website gets cookies even if it asks for
   * bearer: a script must not obtain a token just by asking for it.
   *
   * @throws InvalidRequestError for a transport that does not exist
   */
  transportForLogIn(exchange: SessionExchange): TokenTransport {
    const asked = exchange.header(TRANSPORT_HEADER);
    if (asked !== undefined && asked !== 'bearer' && asked !== 'cookie') {
      throw new InvalidRequestError('The header Session-Transport has an unknown value: write bearer or cookie');
    }
    if (this.options.transport !== 'both') return this.options.transport;
    return asked === 'bearer' && !this.isWebsite(exchange) && !this.hasCookies(exchange) ? 'bearer' : 'cookie';
  }

  /** Whether a page of a website sent the request. A page of a trusted application is none. */
  private isWebsite(exchange: SessionExchange): boolean {
    const origin = exchange.header('origin');
    if (origin === undefined) return exchange.header('sec-fetch-site') !== undefined;
    return !(isAppOrigin(origin) && this.options.trustedOrigins.includes(origin));
  }

  /**
   * Whether session cookies came with the request. Other cookies do not matter: load balancers set them for scripts,
   * too.
   */
  hasCookies(exchange: SessionExchange): boolean {
    if (this.refreshCookiesOf(exchange).tokens.length > 0) return true;
    return this.cookies.readAccess(exchange).length > 0;
  }

  /** How an authenticated client gets new tokens: in the form in which its own came. */
  transportForSession(exchange: SessionExchange): TokenTransport {
    return this.usesAuthorization(exchange) ? 'bearer' : this.transportForLogIn(exchange);
  }

  /** @throws SessionUsageError for an access token that is too long for its way to the client */
  requireFit(tokenLength: number, transport: TokenTransport): void {
    if (transport === 'cookie') return this.cookies.requireFit(tokenLength);
    if (tokenLength <= MAX_ACCESS_TOKEN_LENGTH) return;
    throw new SessionUsageError(
      `The claims make the access token ${tokenLength - MAX_ACCESS_TOKEN_LENGTH} bytes too long: put fewer or shorter ones into "claims", and the rest into "data"`,
    );
  }

  /**
   * Sets the tokens as cookies, or returns them for the body of the answer. A refresh token that the client has is left
   * out (RFC 6749, section 6): a late answer would put it in the place of a newer one.
   */
  deliver(tokens: OutgoingTokens): IssuedTokens {
    const { access, refreshToken, isNew, isRemembered, exchange, transport, replaces = false } = tokens;
    const { session, expiresIn, token } = access;
    if (transport === 'cookie' && exchange) {
      const maxAge = isRemembered ? secondsUntilEnd(access) : undefined;
      const hasMoved = this.hasMovedCookies(exchange);
      this.cookies.setAccess(exchange, token, maxAge, hasMoved || replaces);
      if (this.csrf.usesTokens) this.cookies.setCsrf(exchange, this.csrf.tokenOf(session.id), maxAge);
      // Beside moved cookies the token that the client has may be in one of these.
      if (isNew || hasMoved) {
        const marker = markerOf(session.id, this.cookies.refreshPath, this.secrets!);
        this.cookies.setRefresh(exchange, refreshToken, marker, maxAge, hasMoved);
      }
      return { session, expiresIn };
    }
    if (exchange) this.headers.set(exchange, 'Cache-Control', 'no-store');
    const tokenType = session.boundBy === 'dpop' ? 'DPoP' : 'Bearer';
    if (!isNew) return { session, expiresIn, accessToken: token, tokenType };
    return { session, expiresIn, accessToken: token, refreshToken, tokenType };
  }

  private hasMovedCookies(exchange: SessionExchange): boolean {
    // A service with the verifier alone has no secrets, and sets no cookies.
    if (!this.secrets) return false;
    return this.readRefreshCookies(exchange)?.cookies.areMovedFrom(this.cookies.refreshPath) ?? false;
  }

  private clear(exchange: SessionExchange): void {
    this.cookies.clear(exchange);
    if (this.hasMovedCookies(exchange)) this.cookies.expireMoved(exchange);
  }

  /** Clears the cookies, unless the client authenticates by `Authorization` and so uses none. */
  clearCookies(exchange: SessionExchange): void {
    if (!this.usesAuthorization(exchange)) this.clear(exchange);
  }

  /**
   * Answers a refusal: its headers, cleared cookies where the session has ended, and one event `session.refused`.
   * Called before the error is thrown on, so that any exception filter of the application keeps the headers. A second
   * call for the same request and error does nothing: services, guards and interceptors may all call it.
   *
   * @param transport how the refused token came; cookies are cleared only for `cookie`
   */
  refuse(error: unknown, exchange?: SessionExchange, transport?: TokenTransport): void {
    if (!(error instanceof SessionError)) return;
    if (!exchange) {
      this.announced.add(error);
      return this.events.refused(error);
    }
    // By request, and not by error alone: requests that wait for the same reload or batch fail with the same error.
    if (this.refusals.get(exchange.request) === error) return;
    this.refusals.set(exchange.request, error);
    const isDpop = transport !== 'cookie' && this.isAboutKey(error, exchange);
    for (const [name, value] of refusalHeaders(error, isDpop)) this.headers.set(exchange, name, value);
    if (transport === 'cookie') {
      if (error.endsSession) this.clear(exchange);
      else if (error.endsAccessCookie) this.cookies.clearAccess(exchange);
    }
    if (!this.announced.has(error)) this.events.refused(error);
  }

  /** Whether the client is to prove a key, or has tried to. */
  private isAboutKey(error: SessionError, exchange: SessionExchange): boolean {
    if (error instanceof KeyProofInvalidError || error instanceof SessionKeyRequiredError) return true;
    return DPOP.test(exchange.header('authorization') ?? '');
  }
}
