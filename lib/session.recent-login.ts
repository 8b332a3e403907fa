import { applyDecorators, type ExecutionContext, Injectable, SetMetadata, UseGuards } from '@nestjs/common';
import { describeDuration, parseDuration } from './options/duration.js';
import { PUBLIC_ROUTE, RECENT_LOGIN } from './session.constants.js';
import { SessionMissingError } from './session.errors.js';
import { SessionGuard } from './session.guard.js';
import type { UserSession } from './session.types.js';
import type { SessionExchange } from './transport/exchange.js';

/** Authenticates by itself, so that it works in whatever order guards run; after another guard this costs nothing. */
@Injectable()
export class RecentLoginGuard extends SessionGuard {
  protected override attach(
    exchange: SessionExchange,
    session: UserSession | undefined,
    context: ExecutionContext,
  ): void {
    if (!session) throw new SessionMissingError();
    const maxAge = this.reflector.getAllAndOverride<number>(RECENT_LOGIN, [context.getHandler(), context.getClass()]);
    this.authenticator.requireRecentLogin(session, maxAge);
    super.attach(exchange, session, context);
  }
}

/**
 * Lets in only those who have logged in lately (RFC 9470): for changing a password, an address, a payment.
 * `SessionService.reauthenticate` renews the login.
 *
 * @param age such as `'5m'`
 */
export function RequireRecentLogin(age: string): ClassDecorator & MethodDecorator {
  const maxAge = parseDuration(age);
  if (maxAge === undefined) throw new Error(`@RequireRecentLogin('${age}'): ${describeDuration(age)}`);
  // Nearer than a controller's @Public(), which every guard would otherwise obey.
  return applyDecorators(
    SetMetadata(RECENT_LOGIN, maxAge),
    SetMetadata(PUBLIC_ROUTE, false),
    UseGuards(RecentLoginGuard),
  );
}
