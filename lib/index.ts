import 'reflect-metadata';

export { SessionModule, type SessionModuleAsyncOptions } from './session.module.js';
export { SessionService } from './session.service.js';
export { SessionGuard } from './session.guard.js';
export { SessionController } from './session.controller.js';

export { CurrentSession } from './decorators/current-session.decorator.js';
export { Exchange } from './decorators/exchange.decorator.js';
export { OptionalSession, Public } from './decorators/access.decorators.js';
export { RequireRecentLogin } from './session.recent-login.js';
export { sessionOf } from './decorators/session-of.js';

export { SessionExchange, type ExchangeRequest } from './transport/exchange.js';
export { SessionAuthenticator } from './access-token/session-authenticator.js';

// By star, because TypeScript merges an application's `declare module` only into names exported so.
export * from './session.types.js';
export * from './session.inputs.js';
export {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  CsrfRejectedError,
  InsufficientUserAuthenticationError,
  InvalidRequestError,
  RefreshTokenInvalidError,
  SessionError,
  type SessionErrorCode,
  SessionExpiredError,
  SessionLimitReachedError,
  SessionMissingError,
  SessionRevokedError,
  SessionStoreUnavailableError,
  TokenTheftDetectedError,
} from './session.errors.js';
export type { SessionEvent } from './session.events.js';
export type { RotationCase, TheftClass } from './rules/rotation.js';

export type {
  AccessTokenAlgorithm,
  AccessTokenOptions,
  BindingOptions,
  ClaimsFunction,
  ClaimsProvider,
  ClaimsRequest,
  CookieOptions,
  KeyOptions,
  RevocationOptions,
  SessionLifetimeOptions,
  SessionModuleExtras,
  SessionModuleOptions,
  SessionOptionsFactory,
  SigningKey,
  SigningKeyFunction,
  SigningPeriod,
} from './options/session-options.js';
export { SessionOptionsError } from './options/resolve-options.js';

export { SESSION_ENTITIES } from './store/entities/index.js';
export { SessionEntity } from './store/entities/session.entity.js';
export { SigningKeyEntity } from './store/entities/signing-key.entity.js';
export { UserAuthEntity } from './store/entities/user-auth.entity.js';
export { SESSION_MIGRATIONS } from './store/migrations/index.js';
