import type { SessionExchange } from './exchange.js';
import type { UserSession } from '../session.types.js';

/**
 * Finds out whose request it is. All that the guard depends on, so that it works in every module and, with another
 * authenticator behind it, without a database.
 */
export abstract class SessionAuthenticator {
  /**
   * @returns undefined when no credentials came with the request; a promise only where something must be waited for
   * @throws SessionError for credentials that do not count
   */
  abstract authenticate(exchange: SessionExchange): UserSession | undefined | Promise<UserSession | undefined>;

  /**
   * @param maxAge milliseconds that may have passed since the login
   * @throws InsufficientUserAuthenticationError
   */
  abstract requireRecentLogin(session: UserSession, maxAge: number): void;

  /** Sets the headers and cleared cookies that go with a refusal; called before it is thrown. */
  abstract refuse(exchange: SessionExchange, error: unknown): void;
}
