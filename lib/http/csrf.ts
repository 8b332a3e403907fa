import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ServerSecrets } from '../keys/server-secrets.js';
import { isDigestOf, type ServerKeys } from '../rules/server-keys.js';
import { CSRF_HEADER } from '../session.constants.js';
import { CsrfRejectedError } from '../session.errors.js';
import type { SessionExchange } from './exchange.js';
import { isSameSite } from './same-site.js';
import type { ResponseHeaders } from './response-headers.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether the request opens a WebSocket. The handshake of socket.io has no method. */
export function isHandshake({ request }: SessionExchange): boolean {
  return request.method === undefined || request.headers.upgrade !== undefined;
}

/** Whether a request can change something. */
export function isUnsafe(exchange: SessionExchange): boolean {
  // A WebSocket handshake is a GET, but the messages after it are not safe, and other sites may open one with cookies.
  return isHandshake(exchange) || !SAFE_METHODS.has(exchange.request.method!);
}

/**
 * Refuses requests of other sites' pages where cookies authenticate, or would be set or cleared.
 *
 * By origin (option `csrf`: `origin`, `both`): `Sec-Fetch-Site` and `Origin` say which page sent the request.
 *
 * By token (`token`, `both`): a page reads the CSRF token from a cookie that other sites' pages cannot read, and sends
 * it as a header. The token is bound to the session, so that an attacker's own token is useless in a victim's browser.
 */
export class CsrfProtection {
  /** Whether CSRF tokens are used. */
  readonly usesTokens: boolean;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
    private readonly secrets: ServerSecrets | undefined,
  ) {
    this.usesTokens = (options.csrf === 'token' || options.csrf === 'both') && options.transport !== 'bearer';
  }

  /** The CSRF token of a session. */
  tokenOf(sessionId: string): string {
    return digest(sessionId, this.secrets!.newest).toString('base64url');
  }

  /**
   * Checks the origin of a request that cookies authenticate and that changes something.
   *
   * @throws CsrfRejectedError
   */
  checkOrigin(exchange: SessionExchange): void {
    // No page can add a header to a WebSocket handshake, so its origin counts in every mode.
    if (this.options.csrf !== 'token' || isHandshake(exchange)) this.checkLogInOrigin(exchange);
  }

  /**
   * Checks the origin of a login, which has no session yet that a token could be bound to: it counts in every mode.
   *
   * @throws CsrfRejectedError
   */
  checkLogInOrigin(exchange: SessionExchange): void {
    if (this.options.csrf === 'off' || this.options.transport === 'bearer') return;
    this.headers.vary(exchange, 'Origin, Sec-Fetch-Site');
    const origin = exchange.header('origin');
    const allowed = isSameSite(
      {
        fetchSite: exchange.header('sec-fetch-site'),
        origin,
        // On HTTP/2 `:authority` takes precedence (RFC 9113, section 8.3.1).
        host: exchange.header(':authority') ?? exchange.header('host'),
      },
      this.options.trustedOrigins,
    );
    if (allowed) return;
    throw new CsrfRejectedError(refusalOf(origin));
  }

  /**
   * Checks the CSRF token of a request that cookies of this session authenticate and that changes something. A
   * WebSocket handshake, to which no page can add a header, is checked by its origin alone.
   *
   * @param issuer the secret of the refresh token that came along. A CSRF token of a secret that is no longer trusted
   * counts only with a refresh token of that secret: a person who planted the secret cannot give the victim one.
   * @throws CsrfRejectedError
   */
  checkToken(exchange: SessionExchange, sessionId: string, issuer?: ServerKeys): void {
    if (!this.usesTokens || isHandshake(exchange)) return;
    const given = exchange.header(CSRF_HEADER) ?? '';
    const { trusted } = this.secrets!;
    if (isDigestOf(given, issuer ? [...trusted, issuer] : trusted, keys => digest(sessionId, keys))) return;
    throw new CsrfRejectedError(
      `Refused: send the value of the csrf_token cookie (__Host-csrf_token where cookies are Secure) as the header ${CSRF_HEADER}: the one that came is missing or of another session`,
    );
  }
}

function refusalOf(origin: string | undefined): string {
  if (!origin) return 'Refused: the request comes from a page of another site and names no origin';
  // A sandboxed frame and a page of a file send it as well, but a form under that policy is the honest case.
  if (origin === 'null') {
    return 'Refused: the browser sent "Origin: null", as it does for forms of a page with "Referrer-Policy: no-referrer": write "Referrer-Policy: same-origin" for that page, or serve it over https, where browsers also say that it is same-origin';
  }
  return `Refused: origin ${origin.slice(0, 255)} is not in trustedOrigins, and the request is not same-origin. If the page is yours, write the origin into the option trustedOrigins`;
}

function digest(sessionId: string, { csrf }: ServerKeys): Buffer {
  return csrf.digest(Buffer.from(sessionId));
}
