import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { hmacSha256, type ServerKeys } from '../rules/server-keys.js';
import { AccessTokenInvalidError, InvalidRequestError } from '../session.errors.js';
import { clientAddress, clientUserAgent } from '../common/client-address.js';
import type { SessionExchange } from '../http/exchange.js';
import type { RegisteredClaims } from './access-token.claims.js';

/** A client as far as tokens are bound to it. */
export interface BoundClient {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

const BYTES = 16;

/** Ties access tokens to the client they were issued to, where `binding` says `always` (F30). */
@Injectable()
export class TokenBinding {
  private readonly byIp: boolean;
  private readonly byUserAgent: boolean;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
  ) {
    const { binding } = options;
    this.byIp = binding.ip === 'always';
    this.byUserAgent = binding.userAgent === 'always';
  }

  /**
   * Tokens that are bound to a client nobody knows would be of no use to anybody; and a refresh whose client is not known,
   * as when its connection is gone already, shows no theft.
   *
   * @throws InvalidRequestError
   */
  requireKnown({ exchange, ip, userAgent }: { exchange?: SessionExchange; ip?: string; userAgent?: string }): void {
    const { binding } = this.options;
    if (binding.ip !== 'off' && ip === undefined) {
      throw new InvalidRequestError('With binding.ip the client\'s address must be known: give "exchange" or "ip"');
    }
    if (binding.userAgent !== 'off' && !exchange && userAgent === undefined) {
      throw new InvalidRequestError('With binding.userAgent give "exchange" or "userAgent"');
    }
  }

  /** The claim, keyed so that a token does not tell the address it is bound to; none where nothing is bound. */
  claimOf(sessionId: string, client: BoundClient): string | undefined {
    if (!this.byIp && !this.byUserAgent) return undefined;
    return this.digest(sessionId, client, this.secrets.newest).toString('base64url');
  }

  /** @throws AccessTokenInvalidError for a token of another client, which refreshing will settle */
  require({ sid, binding }: RegisteredClaims, exchange: SessionExchange): void {
    if (!this.byIp && !this.byUserAgent) return;
    const client = { ip: clientAddress(exchange) ?? null, userAgent: clientUserAgent(exchange) ?? null };
    const presented = Buffer.from(binding ?? '', 'base64url');
    const matches = this.secrets.accepted.some(
      keys => presented.length === BYTES && timingSafeEqual(presented, this.digest(sid, client, keys)),
    );
    if (!matches) throw new AccessTokenInvalidError('The access token belongs to another client: refresh');
  }

  private digest(sessionId: string, { ip, userAgent }: BoundClient, keys: ServerKeys): Buffer {
    const bound = [sessionId, this.byIp ? ip : null, this.byUserAgent ? userAgent : null];
    return hmacSha256(keys.binding, Buffer.from(JSON.stringify(bound))).subarray(0, BYTES);
  }
}
