import 'reflect-metadata';

export { SessionModule, type SessionModuleAsyncOptions } from './session.module.js';
export { SessionService } from './session.service.js';
export { SessionGuard } from './session.guard.js';
export { SessionController } from './session.controller.js';
export { KnownDevices } from './sessions/known-devices.js';
export { SessionHealthIndicator } from './sessions/session-health.indicator.js';

export { CurrentSession } from './http/current-session.decorator.js';
export { Exchange } from './http/exchange.decorator.js';
export { OptionalSession, Public } from './http/access.decorators.js';
export { NotWhileImpersonating, RequireKeyBoundSession, RequireRecentLogin } from './session.guard.js';
export { SessionErrorInterceptor } from './http/session-error.interceptor.js';
export { sessionOf } from './http/session-of.js';

export { SessionExchange, type ExchangeRequest } from './http/exchange.js';
export {
  DeviceResponse,
  EndedResponse,
  IntrospectionResponse,
  RefreshResponse,
  RevocationsResponse,
  SessionErrorResponse,
  SessionResponse,
} from './http/responses.js';
export { SessionAuthenticator } from './http/session-authenticator.js';

// By star, because TypeScript merges an application's `declare module` only into names exported so.
export * from './session.types.js';
export * from './session.interfaces.js';
export {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  CsrfRejectedError,
  InsufficientUserAuthenticationError,
  InvalidRequestError,
  KeyProofInvalidError,
  NotWhileImpersonatingError,
  RefreshTokenInvalidError,
  RefreshTokenUnknownError,
  SessionError,
  type SessionErrorCode,
  SessionExpiredError,
  SessionKeyRequiredError,
  SessionLimitReachedError,
  SessionMissingError,
  SessionNotFoundError,
  SessionRevokedError,
  SessionStoreUnavailableError,
  SessionUsageError,
  TokenTheftDetectedError,
} from './session.errors.js';
export type { SessionEvent } from './session.events.js';
export type { RotationCase } from './rules/rotation.js';
export type { KeyKind } from './rules/session-key.js';
export type { TheftClass } from './rules/theft.js';

export type {
  AccessTokenAlgorithm,
  AccessTokenOptions,
  KeyOptions,
  SigningKey,
  SigningKeyFunction,
  SigningPeriod,
} from './options/token-options.js';
export type { KeyBindingOptions } from './options/key-binding-options.js';
export type { CookieOptions } from './options/transport-options.js';
export type {
  BindingOptions,
  ClaimsFunction,
  ClaimsProvider,
  ClaimsRequest,
  OverloadOptions,
  RevocationOptions,
  SessionLifetimeOptions,
  SessionModuleOptions,
  SessionOptionsFactory,
} from './options/session-options.js';
export { type AnnouncerSubscription, RevocationAnnouncer } from './options/revocation-announcer.js';
export type { SessionModuleExtras } from './options/static-options.js';
export { SessionOptionsError } from './common/option-mistakes.js';

export { SESSION_ENTITIES } from './store/entities/index.js';
export { KnownDeviceEntity } from './store/entities/known-device.entity.js';
export { SessionEntity } from './store/entities/session.entity.js';
export { SigningKeyEntity } from './store/entities/signing-key.entity.js';
export { UserAuthEntity } from './store/entities/user-auth.entity.js';
export { SESSION_MIGRATIONS } from './store/migrations/index.js';
