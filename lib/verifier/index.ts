import 'reflect-metadata';

export { SessionVerifierModule, type SessionVerifierAsyncOptions } from './session-verifier.module.js';
export { SessionVerifierOptions, type SessionVerifierOptionsFactory } from './session-verifier.options.js';

export { SessionGuard } from '../session.guard.js';
export { CurrentSession } from '../decorators/current-session.decorator.js';
export { OptionalSession, Public } from '../decorators/access.decorators.js';
export { RequireRecentLogin } from '../session.recent-login.js';
export { sessionOf } from '../decorators/session-of.js';

export { SessionExchange, type ExchangeRequest } from '../transport/exchange.js';
export { SessionAuthenticator } from '../access-token/session-authenticator.js';

// By star, because TypeScript merges an application's `declare module` only into names exported so.
export * from '../session.types.js';
export {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  CsrfRejectedError,
  InsufficientUserAuthenticationError,
  SessionError,
  type SessionErrorCode,
  SessionMissingError,
  SessionStoreUnavailableError,
} from '../session.errors.js';
export { SessionOptionsError } from '../options/resolve-options.js';
