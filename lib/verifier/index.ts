import 'reflect-metadata';

export { SessionVerifierModule, type SessionVerifierAsyncOptions } from './session-verifier.module.js';
export type {
  RemoteRevocationOptions,
  SessionVerifierModuleExtras,
  SessionVerifierOptions,
  SessionVerifierOptionsFactory,
} from './session-verifier.options.js';
export { SessionVerifierHealthIndicator, type VerifierStatus } from './session-verifier-health.indicator.js';

export { SessionGuard } from '../session.guard.js';
export { CurrentSession } from '../http/current-session.decorator.js';
export { OptionalSession, Public } from '../http/access.decorators.js';
export { RequireKeyBoundSession, RequireRecentLogin } from '../session.guard.js';
export { sessionOf } from '../http/session-of.js';

export { SessionExchange, type ExchangeRequest } from '../http/exchange.js';
export { SessionAuthenticator } from '../http/session-authenticator.js';

// By star, because TypeScript merges an application's `declare module` only into names exported so.
export * from '../session.types.js';
export {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  CsrfRejectedError,
  InsufficientUserAuthenticationError,
  KeyProofInvalidError,
  SessionError,
  type SessionErrorCode,
  SessionKeyRequiredError,
  SessionMissingError,
  SessionRevokedError,
  SessionStoreUnavailableError,
  TokenTheftDetectedError,
} from '../session.errors.js';
export type { KeyKind } from '../rules/session-key.js';
export { SessionOptionsError } from '../common/option-mistakes.js';
