import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { attachSession } from '../http/session-of.js';
import { uuidV7 } from '../common/uuid.js';
import { KEY_BOUND_SESSION, NOT_WHILE_IMPERSONATING, RECENT_LOGIN } from '../session.constants.js';
import {
  InsufficientUserAuthenticationError,
  NotWhileImpersonatingError,
  SessionKeyRequiredError,
} from '../session.errors.js';
import type { KeyKind } from '../rules/session-key.js';
import { type SessionActor, type SessionClaims, UserSession } from '../session.types.js';
import { SessionExchange } from '../http/exchange.js';

export interface FakeSession {
  userId: string;
  claims?: SessionClaims;
  /** A session id. Default: a new one. */
  id?: string;
  /** When the user logged in, which `@RequireRecentLogin()` checks. Default: at each request. */
  authenticatedAt?: Date;
  /** How the session is bound to a key. Default: it is not. */
  boundBy?: KeyKind;
  /** Who impersonates the user. Default: nobody. */
  actor?: SessionActor;
}

/**
 * Replaces `SessionGuard` in tests of an application's own code, without a database:
 * `overrideGuard(SessionGuard).useValue(new FakeSessionGuard({ userId: 'ada', claims: { role: 'admin' } }))`
 *
 * A session with an older `authenticatedAt` than `@RequireRecentLogin()` admits is refused as by the real guard, and so is
 * one without `boundBy` where there is `@RequireKeyBoundSession()`, and one with `actor` where there is
 * `@NotWhileImpersonating()`.
 */
@Injectable()
export class FakeSessionGuard implements CanActivate {
  private readonly reflector = new Reflector();
  private readonly id: string;

  constructor(private readonly session: FakeSession) {
    this.id = session.id ?? uuidV7(Date.now());
  }

  /** @throws NotWhileImpersonatingError, InsufficientUserAuthenticationError, SessionKeyRequiredError */
  canActivate(context: ExecutionContext): boolean {
    const now = Date.now();
    const { userId, claims = {}, authenticatedAt = new Date(now), boundBy, actor } = this.session;
    const targets = [context.getHandler(), context.getClass()];
    const needsUser = this.reflector.getAllAndOverride<boolean>(NOT_WHILE_IMPERSONATING, targets) === true;
    if (needsUser && actor) throw new NotWhileImpersonatingError();
    const maxAge = this.reflector.getAllAndOverride<number | undefined>(RECENT_LOGIN, targets);
    if (maxAge !== undefined && now - authenticatedAt.getTime() > maxAge) {
      throw new InsufficientUserAuthenticationError(Math.floor(maxAge / 1000));
    }
    const needsKey = this.reflector.getAllAndOverride<boolean>(KEY_BOUND_SESSION, targets) === true;
    if (needsKey && !boundBy) throw SessionKeyRequiredError.ofUnbound();
    const expiresAt = new Date(now + 86_400_000);
    const session = new UserSession({ id: this.id, userId, claims, authenticatedAt, expiresAt, boundBy, actor });
    Object.freeze(session);
    attachSession(context, session, SessionExchange.of(context).request);
    return true;
  }
}
