import { Injectable } from '@nestjs/common';
import {
  InsufficientUserAuthenticationError,
  InvalidRequestError,
  SessionError,
  SessionMissingError,
  SessionStoreUnavailableError,
} from '../session.errors.js';
import type { TokenTransport } from '../session.types.js';
import type { SessionExchange } from './exchange.js';
import { ResponseHeaders } from './response-headers.js';
import { SessionCookies } from './session-cookies.js';

const RETRY_AFTER_SECONDS = '1';

/** The headers of a refusal. They are set before the error is thrown, so that any filter of the application keeps them. */
@Injectable()
export class RefusalHeaders {
  constructor(
    private readonly headers: ResponseHeaders,
    private readonly cookies: SessionCookies,
  ) {}

  /** @param refused how the refused token came; cookies are cleared only where it came from one */
  write(exchange: SessionExchange, error: unknown, refused: TokenTransport | undefined): void {
    if (!(error instanceof SessionError)) return;
    if (error.getStatus() === 401) {
      this.headers.set(exchange, 'WWW-Authenticate', challenge(error));
      this.headers.set(exchange, 'Cache-Control', 'no-store');
    }
    if (error instanceof SessionStoreUnavailableError) this.headers.set(exchange, 'Retry-After', RETRY_AFTER_SECONDS);
    if (error.endsSession && refused === 'cookie') this.cookies.clear(exchange);
  }
}

/** RFC 6750, section 3: no error code where no credentials came. */
function challenge(error: SessionError): string {
  if (error instanceof SessionMissingError || error instanceof InvalidRequestError) return 'Bearer';
  if (error instanceof InsufficientUserAuthenticationError) {
    // RFC 9470, section 3.
    return `Bearer error="insufficient_user_authentication", error_description="${error.message}", max_age="${error.maxAge}"`;
  }
  return `Bearer error="invalid_token", error_description="${error.message.replaceAll(/["\\]/g, '')}"`;
}
