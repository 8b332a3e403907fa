import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { clientFrom, clientOf } from '../common/client-address.js';
import { SessionClock } from '../common/clock.js';
import { isUuid, uuidV7 } from '../common/uuid.js';
import { RequestSession } from '../http/request-session.js';
import type { SessionExchange } from '../http/exchange.js';
import { SessionHttp } from '../http/session-http.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { REPLACED, SessionLimitReachedError, SessionRevokedError } from '../session.errors.js';
import type { LogInOptions } from '../session.interfaces.js';
import type { IssuedTokens, UserSession } from '../session.types.js';
import { type CreatedSession, type NewSession, SessionStore } from '../store/session.store.js';
import type { SessionRow } from '../store/sql-fragments.js';
import { Announcements } from '../revocation/announcements.js';
import { ClaimsHook } from './claims-hook.js';
import { checkClient, checkLogIn } from './input-checks.js';
import { type HashedToken, type Recipient, SessionTokens } from './session-tokens.js';

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

  /** The session that came with the request ends, and the new one has a new id, which prevents session fixation. */
  async logIn(userId: string, options: LogInOptions): Promise<IssuedTokens> {
    const { exchange, crossSite, claims = {}, manager } = options;
    try {
      checkLogIn(userId, options);
      const transport = exchange ? (options.transport ?? this.http.transportForLogIn(exchange)) : 'bearer';
      if (exchange && transport === 'cookie') this.checkPage(exchange, crossSite);
      const replaces =
        exchange && (await this.requestSession.sessionId(exchange, this.http.readRefreshCookies(exchange)));
      // The hook replaces the claims that are given here.
      this.tokens.requireIssuable(userId, this.claimsHook.isUsed ? {} : claims, transport);
      const { session, client, refreshToken } = this.begin(userId, options);
      const created = await this.create({ ...session, claims, replaces }, manager);
      return await this.issue(created, refreshToken, { client, exchange, transport }, { replaces, manager });
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  /**
   * A new session in the place of one whose user has just proved again who they are. It keeps claims, data and label.
   * One statement ends the former session and copies it, so that a log-out or new claims at that moment are not undone.
   */
  async reauthenticate(
    { id, userId }: Pick<UserSession, 'id' | 'userId'>,
    options: LogInOptions,
  ): Promise<IssuedTokens> {
    const { exchange, claims, manager } = options;
    try {
      checkLogIn(userId, options);
      const former = isUuid(id) ? await this.store.get(id, manager) : undefined;
      if (!former || former.user_id !== userId) throw new SessionRevokedError();
      const transport = exchange ? (options.transport ?? this.http.transportForSession(exchange)) : 'bearer';
      this.tokens.requireIssuable(userId, this.claimsHook.isUsed ? {} : (claims ?? former.claims), transport);
      const { session, client, refreshToken } = this.begin(userId, options);
      const isLimited = this.options.session.maxPerUser !== undefined;
      const created = await this.store.reauthenticate({ ...session, claims, replaces: id }, isLimited, manager);
      if (!created) throw new SessionRevokedError();
      return await this.issue(created, refreshToken, { client, exchange, transport }, { replaces: id, manager });
    } catch (error) {
      this.http.refuse(error, exchange);
      throw error;
    }
  }

  /** Whether the page may log in, and its browser keeps the cookies. */
  private checkPage(exchange: SessionExchange, crossSite = false): void {
    if (!crossSite) this.http.csrf.checkLogInOrigin(exchange);
    this.http.cookies.requireKept(exchange);
  }

  /** The id, the first refresh token and the columns of a new session. */
  private begin(userId: string, { exchange, data, label, ip, userAgent }: LogInOptions) {
    const client = exchange ? clientOf(exchange) : clientFrom({ ip, userAgent });
    checkClient(client, this.options.binding, exchange !== undefined);
    const id = uuidV7(this.clock.now());
    const refreshToken = this.tokens.first(id);
    const session = { id, userId, tokenHash: refreshToken.hash, data, label, ...client };
    return { session, client, refreshToken };
  }

  private async create(session: NewSession, manager: EntityManager | undefined): Promise<CreatedSession> {
    const { maxPerUser, onLimit } = this.options.session;
    if (maxPerUser === undefined) return this.store.create(session, manager);
    const limit = { most: maxPerUser, evict: onLimit === 'evict-oldest' };
    const created = await this.store.createWithin(limit, session, manager);
    if (!created) throw new SessionLimitReachedError();
    return created;
  }

  private async issue(
    { row, ended }: CreatedSession,
    refreshToken: HashedToken,
    recipient: Recipient,
    { replaces, manager }: { replaces?: string; manager?: EntityManager },
  ): Promise<IssuedTokens> {
    this.announcements.committed(manager, {
      sessions: ended,
      notLive: replaces === undefined ? undefined : { id: replaces, reason: REPLACED },
    });
    const current = this.claimsHook.isUsed ? await this.askForClaims(row, recipient, manager) : row;
    const issued = await this.tokens.issue(current, refreshToken, true, recipient);
    this.announcements.committed(manager, {
      event: { type: 'session.created', sessionId: row.id, userId: row.user_id },
    });
    return issued;
  }

  private async askForClaims(
    row: SessionRow,
    { transport }: Recipient,
    manager: EntityManager | undefined,
  ): Promise<SessionRow> {
    try {
      return await this.claimsHook.apply(row, transport, { manager, isNew: true });
    } catch (error) {
      // If this fails, the store logs it. The row remains, but no client has a token of it.
      await this.store.discard(row.id, manager).catch(() => undefined);
      throw error;
    }
  }
}
