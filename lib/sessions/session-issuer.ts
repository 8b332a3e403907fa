import { Injectable } from '@nestjs/common';
import { LONGEST_ACCESS_TOKEN } from '../access-token/access-token.js';
import { AccessTokenSigner } from '../access-token/access-token-signer.js';
import { KeyRing } from '../keys/key-ring.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { Revocations } from '../revocation/revocations.js';
import { encodeRefreshToken, hashOf, SECRET_BYTES } from '../rules/refresh-token.js';
import { uuidV7 } from '../rules/uuid.js';
import { InvalidRequestError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock, SessionRandom } from '../session.runtime.js';
import type { IssuedTokens, LogInOptions, SessionClaims, TokenTransport } from '../session.types.js';
import { AfterCommit } from '../store/after-commit.js';
import { SessionStore } from '../store/session.store.js';
import { clientAddress, clientUserAgent } from '../transport/client-address.js';
import { Credentials } from '../transport/credentials.js';
import { CsrfProtection } from '../transport/csrf.js';
import { SessionCookies } from '../transport/session-cookies.js';
import { PresentedSession } from './presented-session.js';
import { checkLogIn } from './session-input.js';
import { TokenDelivery } from './token-delivery.js';

/** Begins sessions. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: SessionStore,
    private readonly secrets: ServerSecrets,
    private readonly keys: KeyRing,
    private readonly signer: AccessTokenSigner,
    private readonly credentials: Credentials,
    private readonly cookies: SessionCookies,
    private readonly csrf: CsrfProtection,
    private readonly presented: PresentedSession,
    private readonly delivery: TokenDelivery,
    private readonly revocations: Revocations,
    private readonly afterCommit: AfterCommit,
    private readonly events: SessionEvents,
    private readonly clock: SessionClock,
    private readonly random: SessionRandom,
  ) {}

  async logIn(userId: string, options: LogInOptions): Promise<IssuedTokens> {
    checkLogIn(userId, options);
    const { exchange, claims = {}, data, label, crossSite, manager } = options;
    const transport = options.transport ?? (exchange ? this.credentials.wanted(exchange) : 'bearer');
    if (exchange && transport === 'cookie' && !crossSite) this.csrf.check(exchange);
    this.requireFit(userId, claims, exchange ? transport : 'bearer');
    // Asked for before anything is written: a session whose tokens cannot be signed would be nobody's.
    void this.keys.signing;

    // A new id at each login, and the session that came with the request ends: nobody can fix a session in advance.
    const replaces = exchange && (await this.presented.sessionId(exchange, this.credentials.refreshCookies(exchange)));
    const secret = this.random.bytes(SECRET_BYTES);
    const row = await this.store.create(
      {
        id: uuidV7(this.clock.now(), this.random.bytes(10)),
        userId,
        tokenHash: hashOf(secret),
        claims,
        data,
        label,
        userAgent: exchange && clientUserAgent(exchange),
        ip: exchange && clientAddress(exchange),
        idleLifetime: this.options.session.idleLifetime,
        absoluteLifetime: this.options.session.absoluteLifetime,
        replaces,
      },
      manager,
    );
    const token = { sessionId: row.id, generation: 0, secret };
    const access = this.signer.sign(row, { generation: 0, hash: row.token_hash });
    this.afterCommit.run(manager, () => {
      if (row.replaced) this.revocations.ended([replaces!], 'replaced');
      this.events.emit({ type: 'session.created', sessionId: row.id, userId });
    });
    const refreshToken = encodeRefreshToken(token, this.secrets.newest);
    return this.delivery.deliver({ access, refreshToken, isNew: true, exchange, transport });
  }

  private requireFit(userId: string, claims: SessionClaims, transport: TokenTransport): void {
    const length = this.signer.lengthWith(userId, claims);
    if (transport === 'cookie') return this.cookies.requireFit(length);
    if (length <= LONGEST_ACCESS_TOKEN) return;
    throw new InvalidRequestError(
      `The claims make the access token ${length - LONGEST_ACCESS_TOKEN} bytes too long: put fewer or shorter ones into "claims", and the rest into "data"`,
    );
  }
}
