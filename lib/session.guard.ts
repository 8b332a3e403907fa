import {
  applyDecorators,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  Optional,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { SessionAuthenticator } from './http/session-authenticator.js';
import { attachSession } from './http/session-of.js';
import { describeDuration, parseDuration } from './common/duration.js';
import { SessionOptionsError } from './common/option-mistakes.js';
import {
  KEY_BOUND_SESSION,
  NOT_WHILE_IMPERSONATING,
  OPTIONAL_SESSION,
  PUBLIC_ROUTE,
  RECENT_LOGIN,
} from './session.constants.js';
import { NotWhileImpersonatingError, SessionKeyRequiredError, SessionMissingError } from './session.errors.js';
import type { UserSession } from './session.types.js';
import { SessionExchange } from './http/exchange.js';

const WITHOUT_MODULE =
  'import SessionModule.forRoot({ … }), or SessionVerifierModule.forRoot({ … }) in a service without sessions; with isGlobal: false import it also where the guard is used';

/**
 * Admits requests that have a session. On methods, controllers, resolvers and gateways by `@UseGuards(SessionGuard)`,
 * everywhere by `{ provide: APP_GUARD, useExisting: SessionGuard }`.
 *
 * | the request has | route | `@OptionalSession()` | `@Public()` |
 * |---|---|---|---|
 * | a valid access token | session | session | no session |
 * | no credentials | `session_missing` | no session | no session |
 * | credentials that are refused | the refusal | the refusal | no session |
 *
 * `@RequireRecentLogin()`, `@RequireKeyBoundSession()` and `@NotWhileImpersonating()` ask for a session on every route,
 * even if it is public or optional.
 *
 * Subclasses may override the protected methods.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  /** By class and handler, which share decorators with others: reading metadata takes as long as finding the token. */
  readonly #rules = new WeakMap<object, WeakMap<object, AccessRules>>();

  protected readonly authenticator: SessionAuthenticator;

  constructor(
    protected readonly reflector: Reflector,
    @Optional() authenticator?: SessionAuthenticator,
  ) {
    // Nest would name the authenticator, which an application does not know.
    if (!authenticator) throw new SessionOptionsError([WITHOUT_MODULE], 'SessionGuard');
    this.authenticator = authenticator;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const maxAge = this.maxAgeOf(context);
    const { isPublic, isOptional, needsKey, needsUser } = this.rulesOf(context);
    const needsSession = maxAge !== undefined || needsKey || needsUser;
    // Before the request is looked for: with the guard as APP_GUARD, public handlers of other transports may have none.
    if (isPublic && !needsSession) {
      attachSession(context, undefined);
      return true;
    }
    const exchange = this.getExchange(context);
    try {
      const session = await this.authenticator.authenticate(exchange);
      if (!session && (needsSession || !isOptional)) throw new SessionMissingError();
      // Before the age of the login: no new login would help.
      if (needsUser && session?.actor) throw new NotWhileImpersonatingError();
      if (session && maxAge !== undefined) this.authenticator.requireRecentLogin(session, maxAge);
      if (needsKey && !session?.boundBy) throw SessionKeyRequiredError.ofUnbound();
      this.attach(exchange, session, context);
      return true;
    } catch (error) {
      this.authenticator.refuse(exchange, error);
      return this.refuse(error, context);
    }
  }

  /** Where the credentials are; override it for gateways on `ws` and other transports. */
  protected getExchange(context: ExecutionContext): SessionExchange {
    return SessionExchange.of(context);
  }

  /** Keeps the session for `@CurrentSession()`; override it to set `request.user` as well. */
  protected attach(exchange: SessionExchange, session: UserSession | undefined, context: ExecutionContext): void {
    attachSession(context, session, exchange.request);
  }

  /** Turns a refusal into an exception; override it for transports with exceptions of their own. */
  protected refuse(error: unknown, _context: ExecutionContext): never {
    throw error;
  }

  /** Milliseconds that may have passed since the login; undefined where a login of any age is enough. */
  protected maxAgeOf(context: ExecutionContext): number | undefined {
    return this.rulesOf(context).maxAge;
  }

  private rulesOf(context: ExecutionContext): AccessRules {
    const [type, handler] = [context.getClass(), context.getHandler()];
    let ofType = this.#rules.get(type);
    if (!ofType) this.#rules.set(type, (ofType = new WeakMap()));
    let rules = ofType.get(handler);
    if (!rules) ofType.set(handler, (rules = this.readRules([handler, type])));
    return rules;
  }

  private readRules(targets: Parameters<Reflector['getAllAndOverride']>[1]): AccessRules {
    return {
      maxAge: this.reflector.getAllAndOverride<number | undefined>(RECENT_LOGIN, targets),
      needsKey: this.reflector.getAllAndOverride<boolean>(KEY_BOUND_SESSION, targets) === true,
      needsUser: this.reflector.getAllAndOverride<boolean>(NOT_WHILE_IMPERSONATING, targets) === true,
      isPublic: this.reflector.getAllAndOverride<boolean>(PUBLIC_ROUTE, targets) === true,
      isOptional: this.reflector.getAllAndOverride<boolean>(OPTIONAL_SESSION, targets) === true,
    };
  }
}

/** What the decorators of a handler and its class say. */
interface AccessRules {
  readonly maxAge: number | undefined;
  readonly needsKey: boolean;
  /** Whether the user must act in person. */
  readonly needsUser: boolean;
  readonly isPublic: boolean;
  readonly isOptional: boolean;
}

/**
 * Admits only requests of users who have logged in recently (RFC 9470): for changing a password, an address, a payment.
 * `SessionService.reauthenticate` renews the login. Other requests answer `insufficient_user_authentication`.
 *
 * In tests `overrideGuard(SessionGuard)` replaces this check as well; `FakeSessionGuard` answers it.
 *
 * @param age such as `'5m'`
 * @throws Error for an age that is no duration
 */
export function RequireRecentLogin(age: string): ClassDecorator & MethodDecorator {
  const maxAge = parseDuration(age);
  if (maxAge === undefined) throw new Error(`@RequireRecentLogin('${age}'): ${describeDuration(age)}`);
  return applyDecorators(SetMetadata(RECENT_LOGIN, maxAge), UseGuards(SessionGuard));
}

/**
 * Admits only requests of sessions that are bound to a key of the client's device (option `binding.key`), so that a copied
 * cookie or token is not enough. Other sessions answer 403 `session_key_required`.
 *
 * In tests `overrideGuard(SessionGuard)` replaces this check as well.
 */
export function RequireKeyBoundSession(): ClassDecorator & MethodDecorator {
  return applyDecorators(SetMetadata(KEY_BOUND_SESSION, true), UseGuards(SessionGuard));
}

/**
 * Admits only requests of users in person, not of those who impersonate them: for what changes credentials, pays or
 * consents. Impersonations answer 403 `not_while_impersonating`.
 *
 * In tests `overrideGuard(SessionGuard)` replaces this check as well; `FakeSessionGuard` answers it.
 */
export function NotWhileImpersonating(): ClassDecorator & MethodDecorator {
  return applyDecorators(SetMetadata(NOT_WHILE_IMPERSONATING, true), UseGuards(SessionGuard));
}
