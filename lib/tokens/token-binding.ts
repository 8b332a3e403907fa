import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { hmacSha256, type ServerKeys } from '../rules/server-keys.js';
import { AccessTokenInvalidError, InvalidRequestError } from '../session.errors.js';
import type { ClientInfo } from '../common/client-address.js';
import type { RegisteredClaims } from './access-token.claims.js';

const BYTES = 16;

/** Binds access tokens to the client that they are issued to, where `binding` says `always` (F30). */
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
   * A token bound to an unknown client would be useless, and a refresh from an unknown client (its connection may be closed
   * already) is no sign of theft.
   *
   * @param hasRequest whether the client was read from a request, which need not have a `User-Agent`
   * @throws InvalidRequestError
   */
  requireKnown({ ip, userAgent }: ClientInfo, hasRequest: boolean): void {
    const { binding } = this.options;
    if (binding.ip !== 'off' && ip === undefined) {
      throw new InvalidRequestError('With binding.ip the client\'s address must be known: give "exchange" or "ip"');
    }
    if (binding.userAgent !== 'off' && !hasRequest && userAgent === undefined) {
      throw new InvalidRequestError('With binding.userAgent give "exchange" or "userAgent"');
    }
  }

  /** The claim: keyed, so that a token does not reveal the address it is bound to. Undefined where nothing is bound. */
  claimOf(sessionId: string, client: ClientInfo): string | undefined {
    if (!this.byIp && !this.byUserAgent) return undefined;
    return this.digest(sessionId, client, this.secrets.newest).toString('base64url');
  }

  /**
   * @param client asked for only where tokens are bound
   * @throws AccessTokenInvalidError for a token of another client: refreshing gives a token for this one
   */
  check({ sid, binding }: RegisteredClaims, client: () => ClientInfo): void {
    if (!this.byIp && !this.byUserAgent) return;
    const given = Buffer.from(binding ?? '', 'base64url');
    const now = client();
    const matches = this.secrets.trusted.some(
      keys => given.length === BYTES && timingSafeEqual(given, this.digest(sid, now, keys)),
    );
    if (!matches) throw new AccessTokenInvalidError('The access token belongs to another client: refresh');
  }

  private digest(sessionId: string, { ip, userAgent }: ClientInfo, keys: ServerKeys): Buffer {
    const bound = [sessionId, this.byIp ? (ip ?? null) : null, this.byUserAgent ? (userAgent ?? null) : null];
    return hmacSha256(keys.binding, Buffer.from(JSON.stringify(bound))).subarray(0, BYTES);
  }
}
