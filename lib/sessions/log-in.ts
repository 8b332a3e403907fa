import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AccessTokenSigner } from '../tokens/access-token-signer.js';
import { TokenBinding } from '../tokens/token-binding.js';
import { KeyRing } from '../keys/key-ring.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { encodeRefreshToken, hashOf, SECRET_BYTES } from '../rules/refresh-token.js';
import { isUuid, uuidV7 } from '../common/uuid.js';
import { REPLACED, SessionLimitReachedError, SessionRevokedError } from '../session.errors.js';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import type { LogInOptions } from '../session.interfaces.js';
import type { IssuedTokens, TokenTransport, UserSession } from '../session.types.js';
import { type CreatedSession, type NewSession, SessionStore } from '../store/session.store.js';
import { type ClientInfo, clientOf } from '../common/client-address.js';
import { Announcements } from './announcements.js';
import { ClaimsHook } from './claims-hook.js';
import { RequestSession } from '../http/request-session.js';
import { checkLogIn } from './input-checks.js';
import { SessionHttp } from '../http/session-http.js';

/** Begins sessions. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: SessionStore,
    private readonly secrets: ServerSecrets,
    private readonly keys: KeyRing,
    private readonly signer: AccessTokenSigner,
    private readonly http: SessionHttp,
    private readonly presented: RequestSession,
    private readonly binding: TokenBinding,
    private readonly claimsHook: ClaimsHook,
    private readonly announcements: Announcements,
    private readonly clock: SessionClock,
  ) {}

  async logIn(userId: string, options: LogInOptions): Promise<IssuedTokens> {
    checkLogIn(userId, options);
    const { exchange, crossSite } = options;
    const transport = options.transport ?? (exchange ? this.http.transportForLogIn(exchange) : 'bearer');
    if (exchange && transport === 'cookie' && !crossSite) this.http.csrf.checkLogInOrigin(exchange);
    // A new id at each login, and the session that came with the request ends: nobody can fix a session in advance.
    const replaces = exchange && (await this.presented.sessionId(exchange, this.http.readRefreshCookies(exchange)));
    return this.issue(userId, options, transport, replaces);
  }

  /** A new session in the place of one whose user has just proved again who they are. It keeps claims, data and label. */
  async reauthenticate(
    { id, userId }: Pick<UserSession, 'id' | 'userId'>,
    options: LogInOptions,
  ): Promise<IssuedTokens> {
    const former = isUuid(id) ? await this.store.get(id, options.manager) : undefined;
    if (!former || former.user_id !== userId) throw new SessionRevokedError();
    const { claims, data, label } = former;
    const kept = { claims, data: data ?? undefined, label: label ?? undefined, ...options };
    checkLogIn(userId, kept);
    const transport =
      options.transport ?? (options.exchange ? this.http.transportForSession(options.exchange) : 'bearer');
    return this.issue(userId, kept, transport, id);
  }

  private async issue(
    userId: string,
    options: LogInOptions,
    transport: TokenTransport,
    replaces: string | undefined,
  ): Promise<IssuedTokens> {
    const { exchange, claims: given = {}, data, label, manager } = options;
    const client = this.clientOf(options);
    const id = uuidV7(this.clock.now());
    const claims = await this.claimsHook.claimsFor({ userId, sessionId: id, claims: given }, manager);
    this.http.requireFit(this.signer.lengthWith(userId, claims), exchange ? transport : 'bearer');
    // Asked for before anything is written: a session whose tokens cannot be signed would be nobody's.
    this.keys.requireSigningKey();

    const secret = randomBytes(SECRET_BYTES);
    const { idleLifetime, absoluteLifetime } = this.options.session;
    const { row, ended } = await this.create(
      {
        id,
        userId,
        tokenHash: hashOf(secret),
        claims,
        data,
        label,
        ...client,
        idleLifetime,
        absoluteLifetime,
        replaces,
      },
      manager,
    );
    const access = await this.signer.sign(row, { generation: 0, hash: row.token_hash });
    this.announcements.committed(manager, {
      sessions: ended,
      notLive: replaces === undefined ? undefined : { id: replaces, reason: REPLACED },
      event: { type: 'session.created', sessionId: id, userId },
    });
    const refreshToken = encodeRefreshToken({ sessionId: id, generation: 0, secret }, this.secrets.newest);
    return this.http.deliver({ access, refreshToken, isNew: true, exchange, transport });
  }

  private clientOf({ exchange, ip, userAgent }: LogInOptions): ClientInfo {
    const client = exchange ? clientOf(exchange) : { ip, userAgent };
    this.binding.requireKnown(client, exchange !== undefined);
    return client;
  }

  private async create(session: NewSession, manager: EntityManager | undefined): Promise<CreatedSession> {
    const { maxPerUser, onLimit } = this.options.session;
    if (maxPerUser === undefined) return this.store.create(session, manager);
    const limit = { most: maxPerUser, evict: onLimit === 'evict-oldest' };
    const created = await this.store.createWithin(limit, session, manager);
    if (!created) throw new SessionLimitReachedError();
    return created;
  }
}
