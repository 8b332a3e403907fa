import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { hmacSha256, type ServerKeys } from '../rules/server-keys.js';
import { CSRF_HEADER } from '../session.constants.js';
import { CsrfRejectedError } from '../session.errors.js';
import { isHandshake } from './csrf.js';
import type { SessionExchange } from './exchange.js';

/**
 * CSRF tokens: a page reads its own from a cookie that pages of other sites cannot read, and sends it as a header. Bound to
 * the session, so that one's own token is of no use in another's browser.
 */
@Injectable()
export class CsrfTokens {
  /** Whether tokens are used at all. */
  readonly areUsed: boolean;

  constructor(
    { csrf, transport }: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
  ) {
    this.areUsed = (csrf === 'token' || csrf === 'both') && transport !== 'bearer';
  }

  of(sessionId: string): string {
    return this.make(sessionId, this.secrets.newest).toString('base64url');
  }

  /**
   * Checks a request that cookies of this session authenticate and that changes something. A WebSocket handshake, to which
   * no page can add a header, is left to its origin.
   *
   * @throws CsrfRejectedError
   */
  require(exchange: SessionExchange, sessionId: string): void {
    if (!this.areUsed || isHandshake(exchange)) return;
    const presented = Buffer.from(exchange.header(CSRF_HEADER) ?? '', 'base64url');
    const matches = this.secrets.accepted.some(keys => {
      const expected = this.make(sessionId, keys);
      return presented.length === expected.length && timingSafeEqual(presented, expected);
    });
    if (matches) return;
    throw new CsrfRejectedError(
      `Refused: send the value of the csrf_token cookie (__Host-csrf_token where cookies are Secure) as the header ${CSRF_HEADER}: the one that came is missing or of another session`,
    );
  }

  private make(sessionId: string, keys: ServerKeys): Buffer {
    return hmacSha256(keys.csrf, Buffer.from(sessionId));
  }
}
