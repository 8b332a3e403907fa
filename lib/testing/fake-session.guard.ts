import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { attachSession } from '../http/session-of.js';
import { uuidV7 } from '../common/uuid.js';
import { RECENT_LOGIN } from '../session.constants.js';
import { InsufficientUserAuthenticationError } from '../session.errors.js';
import { type SessionClaims, UserSession } from '../session.types.js';
import { SessionExchange } from '../http/exchange.js';

export interface FakeSession {
  userId: string;
  claims?: SessionClaims;
  /** A session id. Default: a new one. */
  id?: string;
  /** When the user logged in, which `@RequireRecentLogin()` checks. Default: at each request. */
  authenticatedAt?: Date;
}

/**
 * Replaces `SessionGuard` in tests of an application's own code, without a database:
 * `overrideGuard(SessionGuard).useValue(new FakeSessionGuard({ userId: 'ada', claims: { role: 'admin' } }))`
 *
 * A session with an older `authenticatedAt` than `@RequireRecentLogin()` admits is refused as by the real guard.
 */
@Injectable()
export class FakeSessionGuard implements CanActivate {
  private readonly reflector = new Reflector();
  private readonly id: string;

  constructor(private readonly session: FakeSession) {
    this.id = session.id ?? uuidV7(Date.now());
  }

  /** @throws InsufficientUserAuthenticationError */
  canActivate(context: ExecutionContext): boolean {
    const now = Date.now();
    const { userId, claims = {}, authenticatedAt = new Date(now) } = this.session;
    const maxAge = this.reflector.getAllAndOverride<number | undefined>(RECENT_LOGIN, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (maxAge !== undefined && now - authenticatedAt.getTime() > maxAge) {
      throw new InsufficientUserAuthenticationError(Math.floor(maxAge / 1000));
    }
    const expiresAt = new Date(now + 86_400_000);
    const session = new UserSession({ id: this.id, userId, claims, authenticatedAt, expiresAt });
    Object.freeze(session);
    attachSession(context, session, SessionExchange.of(context).request);
    return true;
  }
}
