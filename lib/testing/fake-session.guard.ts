import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { attachSession } from '../http/session-of.js';
import { uuidV7 } from '../common/uuid.js';
import { type SessionClaims, UserSession } from '../session.types.js';
import { SessionExchange } from '../http/exchange.js';

export interface FakeSession {
  userId: string;
  claims?: SessionClaims;
  /** A session id; made up if left out. */
  id?: string;
}

/**
 * Stands for `SessionGuard` in tests of an application's own code, without a database:
 * `overrideGuard(SessionGuard).useValue(new FakeSessionGuard({ userId: 'ada', claims: { role: 'admin' } }))`
 */
@Injectable()
export class FakeSessionGuard implements CanActivate {
  private readonly session: UserSession;

  constructor({ userId, claims = {}, id }: FakeSession) {
    const now = Date.now();
    this.session = new UserSession({
      id: id ?? uuidV7(now),
      userId,
      claims,
      authenticatedAt: new Date(now),
      expiresAt: new Date(now + 86_400_000),
    });
    Object.freeze(this.session);
  }

  canActivate(context: ExecutionContext): boolean {
    attachSession(SessionExchange.of(context), this.session, context);
    return true;
  }
}
