import { Injectable } from '@nestjs/common';
import { isUuid } from '../common/uuid.js';
import { clientOf } from '../common/client-address.js';
import type { SessionExchange } from '../http/exchange.js';
import { SessionHttp } from '../http/session-http.js';
import { sessionOf } from '../http/session-of.js';
import { Announcements } from '../revocation/announcements.js';
import { InvalidRequestError, SessionRevokedError, SessionUsageError } from '../session.errors.js';
import type { Actor, ImpersonateOptions } from '../session.interfaces.js';
import type { IssuedTokens, SessionActor } from '../session.types.js';
import { ImpersonationStore } from '../store/impersonation.store.js';
import { Admission } from './admission.js';
import { ClaimsHook } from './claims-hook.js';
import { checkImpersonation } from './input-checks.js';
import { SessionIssuer } from './log-in.js';
import { SessionTokens } from './session-tokens.js';

const ENDED = 'impersonation-ended';

/**
 * Sessions in which an actor acts as another user (RFC 8693, section 4.1). An impersonation counts while the session of
 * its actor does:
 *
 * | what happens to the actor's session | the impersonation |
 * |---|---|
 * | it ends | ends in the same statement; guard and refresh refuse it as well |
 * | the actor's access tokens are invalidated | must be refreshed |
 * | the actor's refresh tokens are invalidated | cannot be refreshed |
 */
@Injectable()
export class SessionImpersonator {
  constructor(
    private readonly issuer: SessionIssuer,
    private readonly http: SessionHttp,
    private readonly store: ImpersonationStore,
    private readonly tokens: SessionTokens,
    private readonly announcements: Announcements,
    private readonly admission: Admission,
    private readonly claimsHook: ClaimsHook,
  ) {}

  begin(actor: Actor, userId: string, options: ImpersonateOptions): Promise<IssuedTokens> {
    return this.issuer.admit(options, () => this.beginNow(actor, userId, options));
  }

  private async beginNow(actor: Actor, userId: string, options: ImpersonateOptions): Promise<IssuedTokens> {
    const { exchange, claims = {}, reason, manager } = options;
    const lifetime = checkImpersonation(actor, userId, options);
    this.store.requireOneMachine();
    const by: SessionActor = { userId: actor.userId, sessionId: actor.id };
    const transport = exchange ? (options.transport ?? this.http.transportForSession(exchange)) : 'bearer';
    this.tokens.requireIssuable(userId, claims, transport, by);
    const key = this.issuer.keyFor(exchange, transport);
    const { session, client, refreshToken } = this.issuer.begin(userId, options, key);
    session.label ??= await this.issuer.labelFor(client);
    if (exchange) this.admission.requireTimely(exchange);
    const created = isUuid(actor.id)
      ? await this.store.begin({ ...session, claims }, { ...by, reason, lifetime }, manager)
      : undefined;
    if (!created) throw new SessionRevokedError();
    const row = await this.issuer.askForClaims(created, transport, manager);
    const issued = await this.tokens.issue(row, refreshToken, true, { client, exchange, transport, key });
    const begun = { sessionId: row.id, userId, actor: by, ...(reason === undefined ? {} : { reason }) };
    this.announcements.committed(manager, { event: { type: 'session.impersonated', ...begun } });
    return issued;
  }

  /** Ends the impersonation of a guarded request, and delivers new tokens of the actor's own session. */
  end(exchange: SessionExchange): Promise<IssuedTokens> {
    return this.issuer.admit({ exchange }, () => this.endNow(exchange));
  }

  private async endNow(exchange: SessionExchange): Promise<IssuedTokens> {
    const session = sessionOf(exchange.request);
    if (!session) throw new SessionUsageError('endImpersonation needs a route with @UseGuards(SessionGuard)');
    if (!session.actor) throw new InvalidRequestError('This session is no impersonation');
    const transport = this.http.transportForSession(exchange);
    const { token, hash } = this.tokens.first(session.actor.userId);
    this.admission.requireTimely(exchange);
    const { sessionId } = session.actor;
    const row = await this.store.end({ sessionId: session.id, actorSessionId: sessionId, tokenHash: hash });
    if (!row) throw new SessionRevokedError();
    this.announcements.committed(undefined, { sessions: [{ id: session.id, reason: ENDED }] });
    const { generation, key_kind: kind, key_thumbprint: thumbprint } = row;
    const key = kind && thumbprint ? { kind, thumbprint } : undefined;
    const recipient = { client: clientOf(exchange), exchange, transport, key };
    // As at a refresh: the actor may have been disabled since, or have another role.
    const current = this.claimsHook.isUsed ? await this.claimsHook.apply(row, transport) : row;
    return this.tokens.issue(current, { token: { ...token, sessionId, generation }, hash }, true, recipient);
  }
}
