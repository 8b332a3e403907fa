import { Injectable } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { CsrfRejectedError } from '../session.errors.js';
import type { SessionExchange } from './exchange.js';
import { ResponseHeaders } from './response-headers.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** What tells where a request comes from. */
export interface RequestOrigin {
  readonly fetchSite?: string;
  readonly origin?: string;
  readonly host?: string;
}

/**
 * Whether a request comes from a page of this site, or from no page at all. The decision table of Nest 12's
 * `app.enableCsrfProtection()`, written here because Nest 11 has none:
 *
 * | `Sec-Fetch-Site` | `Origin` | allowed |
 * |---|---|---|
 * | `same-origin`, `none` | any | yes |
 * | any other | trusted | yes |
 * | any other | any other | no |
 * | none | none | yes: not a browser |
 * | none | of `Host`, or trusted | yes |
 * | none | any other, `null` | no |
 */
export function isSameSite({ fetchSite, origin, host }: RequestOrigin, trusted: readonly string[]): boolean {
  if (fetchSite === 'same-origin' || fetchSite === 'none') return true;
  if (origin !== undefined && trusted.includes(origin)) return true;
  if (fetchSite) return false;
  if (!origin) return true;
  return host !== undefined && isOriginOf(origin, host.toLowerCase());
}

function isOriginOf(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  return (
    url.host !== '' && (url.host === host || (!url.port && `${url.hostname}:${DEFAULT_PORTS[url.protocol]}` === host))
  );
}

/** Whether the request opens a WebSocket. What stands for one of socket.io has no method. */
export function isHandshake({ request }: SessionExchange): boolean {
  return request.method === undefined || request.headers.upgrade !== undefined;
}

/** Refuses requests of other sites' pages where cookies authenticate, or would be set or cleared. */
@Injectable()
export class CsrfProtection {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
  ) {}

  /**
   * Checks a request that changes something, whatever its method.
   *
   * @throws CsrfRejectedError
   */
  check(exchange: SessionExchange): void {
    // No page can add a header to a handshake, so that its origin counts in every mode.
    if (this.options.csrf !== 'token' || isHandshake(exchange)) this.checkLogIn(exchange);
  }

  /** The same for a login, which has no session yet that a token could be bound to: its origin counts in every mode. */
  checkLogIn(exchange: SessionExchange): void {
    if (this.options.csrf === 'off' || this.options.transport === 'bearer') return;
    this.headers.vary(exchange, 'Origin', 'Sec-Fetch-Site');
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
    throw new CsrfRejectedError(
      origin
        ? `Refused: origin ${origin.slice(0, 255)} is not in trustedOrigins, and the request is not same-origin`
        : 'Refused: the request comes from a page of another site and names no origin',
    );
  }

  /** Whether a request can change something. */
  isUnsafe(exchange: SessionExchange): boolean {
    // A WebSocket handshake is a GET, but what follows is not safe, and other sites may open one with cookies.
    return isHandshake(exchange) || !SAFE_METHODS.has(exchange.request.method!);
  }
}
