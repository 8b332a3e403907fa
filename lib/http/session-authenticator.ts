import type { UserSession } from '../session.types.js';
import type { SessionExchange } from './exchange.js';

/**
 * Finds the session of a request. The guard depends on nothing else, so that it works in every module and, with another
 * authenticator behind it, without a database.
 */
export abstract class SessionAuthenticator {
  /**
   * @returns undefined when no credentials came with the request
   * @throws SessionError for credentials that are not valid
   */
  abstract authenticate(exchange: SessionExchange): UserSession | undefined | Promise<UserSession | undefined>;

  /**
   * @param maxAge milliseconds that may have passed since the login
   * @throws InsufficientUserAuthenticationError
   */
  abstract requireRecentLogin(session: UserSession, maxAge: number): void;

  /**
   * Sets the headers and clears the cookies that go with a refusal, and emits its event; called before the error is
   * thrown. A second call for the same request and error does nothing.
   */
  abstract refuse(exchange: SessionExchange, error: unknown): void;
}
