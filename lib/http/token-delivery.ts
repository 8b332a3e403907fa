import { Injectable } from '@nestjs/common';
import { MAX_ACCESS_TOKEN_LENGTH } from '../tokens/access-token.claims.js';
import { AccessTokenSigner, type SignedAccessToken } from '../tokens/access-token-signer.js';
import { CsrfTokens } from './csrf-tokens.js';
import { InvalidRequestError } from '../session.errors.js';
import type { IssuedTokens, SessionClaims, TokenTransport } from '../session.types.js';
import type { SessionExchange } from './exchange.js';
import { ResponseHeaders } from './response-headers.js';
import { SessionCookies } from './session-cookies.js';

export interface Delivery {
  readonly access: SignedAccessToken;
  readonly refreshToken: string;
  /** Whether the refresh token is another one than the client presented. */
  readonly isNew: boolean;
  readonly exchange?: SessionExchange;
  readonly transport: TokenTransport;
}

/** Hands tokens to the client: as cookies, or in the answer. */
@Injectable()
export class TokenDelivery {
  constructor(
    private readonly cookies: SessionCookies,
    private readonly headers: ResponseHeaders,
    private readonly csrfTokens: CsrfTokens,
    private readonly signer: AccessTokenSigner,
  ) {}

  /** @throws InvalidRequestError for claims whose access token would be too long for its way to the client */
  requireFit(userId: string, claims: SessionClaims, transport: TokenTransport): void {
    const length = this.signer.lengthWith(userId, claims);
    if (transport === 'cookie') return this.cookies.requireFit(length);
    if (length <= MAX_ACCESS_TOKEN_LENGTH) return;
    throw new InvalidRequestError(
      `The claims make the access token ${length - MAX_ACCESS_TOKEN_LENGTH} bytes too long: put fewer or shorter ones into "claims", and the rest into "data"`,
    );
  }

  deliver({ access, refreshToken, isNew, exchange, transport }: Delivery): IssuedTokens {
    const { session, expiresIn, token } = access;
    if (transport === 'cookie' && exchange) {
      const maxAge = Math.ceil((session.expiresAt.getTime() - access.issuedAt) / 1000);
      this.cookies.setAccess(exchange, token, maxAge);
      if (this.csrfTokens.areUsed) this.cookies.setCsrf(exchange, this.csrfTokens.of(session.id), maxAge);
      // A token that the client has already is never written to its jar again: a late answer would roll the jar back.
      if (isNew) this.cookies.setRefresh(exchange, refreshToken, maxAge);
      return { session, expiresIn };
    }
    if (exchange) this.headers.set(exchange, 'Cache-Control', 'no-store');
    return { session, expiresIn, accessToken: token, refreshToken, tokenType: 'Bearer' };
  }
}
