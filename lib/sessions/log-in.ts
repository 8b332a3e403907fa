import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type ClientInfo, clientOf } from '../common/client-address.js';
import { SessionClock } from '../common/clock.js';
import { isUuid, uuidV7 } from '../common/uuid.js';
import { RequestSession } from '../http/request-session.js';
import { SessionHttp } from '../http/session-http.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { REPLACED, SessionLimitReachedError, SessionRevokedError } from '../session.errors.js';
import type { LogInOptions } from '../session.interfaces.js';
import type { IssuedTokens, TokenTransport, UserSession } from '../session.types.js';
import { type CreatedSession, type NewSession, SessionStore } from '../store/session.store.js';
import { Announcements } from './announcements.js';
import { ClaimsHook } from './claims-hook.js';
import { checkClient, checkLogIn } from './input-checks.js';
import { SessionTokens } from './session-tokens.js';

/** Begins sessions. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly http: SessionHttp,
    private readonly requestSession: RequestSession,
    private readonly store: SessionStore,
    private readonly tokens: SessionTokens,
    private readonly claimsHook: ClaimsHook,
    private readonly announcements: Announcements,
    private readonly clock: SessionClock,
  ) {}

  /** The session that came with the request ends, and the new one has a new id: nobody can fix a session in advance. */
  async logIn(userId: string, options: LogInOptions): Promise<IssuedTokens> {
    const { exchange, crossSite } = options;
    try {
      checkLogIn(userId, options);
      const transport = exchange ? (options.transport ?? this.http.transportForLogIn(exchange)) : 'bearer';
      if (exchange && transport === 'cookie' && !crossSite) this.http.csrf.checkLogInOrigin(exchange);
      const former =
        exchange && (await this.requestSession.sessionId(exchange, this.http.readRefreshCookies(exchange)));
      return await this.issue(userId, options, transport, former);
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  /** A new session in the place of one whose user has just proved again who they are. It keeps claims, data and label. */
  async reauthenticate(
    { id, userId }: Pick<UserSession, 'id' | 'userId'>,
    options: LogInOptions,
  ): Promise<IssuedTokens> {
    const { exchange, manager } = options;
    try {
      const former = isUuid(id) ? await this.store.get(id, manager) : undefined;
      if (!former || former.user_id !== userId) throw new SessionRevokedError();
      const { claims, data, label } = former;
      const kept = { claims, data: data ?? undefined, label: label ?? undefined, ...options };
      checkLogIn(userId, kept);
      const transport = exchange ? (options.transport ?? this.http.transportForSession(exchange)) : 'bearer';
      return await this.issue(userId, kept, transport, id);
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
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
    this.tokens.requireIssuable(userId, claims, transport);
    const refreshToken = this.tokens.first(id);
    const { idleLifetime, absoluteLifetime } = this.options.session;
    const { row, ended } = await this.create(
      {
        id,
        userId,
        tokenHash: refreshToken.hash,
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
    const issued = await this.tokens.issue(row, refreshToken, true, { exchange, transport });
    this.announcements.committed(manager, {
      sessions: ended,
      notLive: replaces === undefined ? undefined : { id: replaces, reason: REPLACED },
      event: { type: 'session.created', sessionId: id, userId },
    });
    return issued;
  }

  private clientOf({ exchange, ip, userAgent }: LogInOptions): ClientInfo {
    const client = exchange ? clientOf(exchange) : { ip, userAgent };
    checkClient(client, this.options.binding, exchange !== undefined);
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
