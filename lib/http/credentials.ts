import { Injectable } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { TRANSPORT_HEADER } from '../session.constants.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import type { TokenTransport } from '../session.types.js';
import { cookieValues } from './cookies.js';
import type { SessionExchange } from './exchange.js';
import { SessionCookies } from './session-cookies.js';

export interface AccessCredential {
  readonly token: string;
  readonly transport: TokenTransport;
}

export interface RefreshCredential {
  /** More than one where a sibling domain has planted a cookie. */
  readonly tokens: readonly string[];
  readonly transport: TokenTransport;
}

const BEARER = /^bearer(?: |$)/i;

/** Reads tokens from a request, and which transport a client wants. */
@Injectable()
export class Credentials {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly cookies: SessionCookies,
  ) {}

  /** Where `Authorization` is present it alone counts: junk in it must not fall back to a cookie unchecked. */
  usesAuthorization(exchange: SessionExchange): boolean {
    return this.options.transport !== 'cookie' && exchange.header('authorization') !== undefined;
  }

  /** @throws AccessTokenInvalidError for several access cookies that differ */
  access(exchange: SessionExchange): AccessCredential | undefined {
    if (this.usesAuthorization(exchange)) {
      const header = exchange.header('authorization')!;
      return BEARER.test(header) ? { token: header.slice('bearer'.length).trim(), transport: 'bearer' } : undefined;
    }
    if (this.options.transport === 'bearer') return undefined;
    const [token, another] = cookieValues(exchange.header('cookie'), this.cookies.accessName);
    if (another !== undefined) throw new AccessTokenInvalidError('Several access-token cookies came with the request');
    return token === undefined ? undefined : { token, transport: 'cookie' };
  }

  /** The refresh token of the request: the cookie wins over the body. */
  refresh(exchange: SessionExchange): RefreshCredential | undefined {
    const cookies = this.refreshCookies(exchange);
    if (cookies) return cookies;
    if (this.options.transport === 'cookie') return undefined;
    const token = exchange.bodyMember('refreshToken');
    if (token === undefined || token === null) return undefined;
    return { tokens: [typeof token === 'string' ? token : ''], transport: 'bearer' };
  }

  refreshCookies(exchange: SessionExchange): RefreshCredential | undefined {
    if (this.options.transport === 'bearer' || this.usesAuthorization(exchange)) return undefined;
    const tokens = cookieValues(exchange.header('cookie'), this.cookies.refreshName);
    return tokens.length > 0 ? { tokens, transport: 'cookie' } : undefined;
  }

  /** How a request that a session was authenticated by gets new tokens: in the form in which its own came. */
  present(exchange: SessionExchange): TokenTransport {
    return this.usesAuthorization(exchange) ? 'bearer' : this.wanted(exchange);
  }

  /**
   * How a client that logs in gets its tokens. Under `both` a browser gets cookies even if it asks for bearer: a script
   * must never come by a token just by asking for it.
   */
  wanted(exchange: SessionExchange): TokenTransport {
    if (this.options.transport !== 'both') return this.options.transport;
    const isBrowser = ['sec-fetch-site', 'origin', 'cookie'].some(name => exchange.header(name) !== undefined);
    return exchange.header(TRANSPORT_HEADER) === 'bearer' && !isBrowser ? 'bearer' : 'cookie';
  }
}
