import { Injectable } from '@nestjs/common';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { isDigestOf, type ServerKeys } from '../rules/server-keys.js';
import { AccessTokenInvalidError } from '../session.errors.js';
import type { ClientInfo } from '../common/client-address.js';
import type { VerifiedToken } from './access-token.claims.js';

const BYTES = 16;

/** Binds access tokens to the client that they are issued to, where `binding` says `always` (F30). */
@Injectable()
export class TokenBinding {
  private readonly byIp: boolean;
  private readonly byUserAgent: boolean;
  /** The client that a token was last accepted from: its next request needs no digest. */
  private readonly accepted = new WeakMap<VerifiedToken, ClientInfo>();

  constructor(
    { binding }: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
  ) {
    this.byIp = binding.ip === 'always';
    this.byUserAgent = binding.userAgent === 'always';
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
  check(token: VerifiedToken, client: () => ClientInfo): void {
    if (!this.byIp && !this.byUserAgent) return;
    const now = client();
    const known = this.accepted.get(token);
    if (known && (!this.byIp || known.ip === now.ip) && (!this.byUserAgent || known.userAgent === now.userAgent))
      return;
    const { sessionId, binding = '' } = token;
    if (isDigestOf(binding, this.secrets.trusted, keys => this.digest(sessionId, now, keys))) {
      this.accepted.set(token, now);
      return;
    }
    throw new AccessTokenInvalidError('The access token belongs to another client: refresh');
  }

  private digest(sessionId: string, { ip, userAgent }: ClientInfo, keys: ServerKeys): Buffer {
    const bound = [sessionId, this.byIp ? (ip ?? null) : null, this.byUserAgent ? (userAgent ?? null) : null];
    return keys.binding.digest(Buffer.from(JSON.stringify(bound))).subarray(0, BYTES);
  }
}
