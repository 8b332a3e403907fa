import type { Provider } from '@nestjs/common';
import { AccessTokenDecryption } from './access-token/access-token-decryption.js';
import { AccessTokenEncryption } from './access-token/access-token-encryption.js';
import { AccessTokenSigner } from './access-token/access-token-signer.js';
import { AccessTokenVerifier } from './access-token/access-token-verifier.js';
import { AccessTokens, TokenUse } from './access-token/access-tokens.js';
import { CsrfTokens } from './access-token/csrf-tokens.js';
import { LocalSessionAuthenticator } from './access-token/local-session-authenticator.js';
import { SessionAuthenticator } from './access-token/session-authenticator.js';
import { TokenBinding } from './access-token/token-binding.js';
import { JwksRoute } from './keys/jwks-route.js';
import { KeyRing } from './keys/key-ring.js';
import { KeyRotation } from './keys/key-rotation.js';
import { KeySource } from './keys/key-source.js';
import { ServerSecrets } from './keys/server-secrets.js';
import { StoredKeys } from './keys/stored-keys.js';
import { SuppliedKeys } from './keys/supplied-keys.js';
import { VerificationKeys } from './keys/verification-keys.js';
import { ResolvedSessionOptions } from './options/resolve-options.js';
import { RevocationFeed } from './revocation/revocation-feed.js';
import { StandingCheck } from './revocation/standing-check.js';
import { Revocations } from './revocation/revocations.js';
import { SessionEvents } from './session.events.js';
import { SessionClock, SessionRandom, SessionTimers } from './session.runtime.js';
import { Schedule } from './session.schedule.js';
import { ClaimsHook } from './sessions/claims-hook.js';
import { CleanUp } from './sessions/clean-up.js';
import { Confirmations } from './sessions/confirmations.js';
import { ExchangeSessions } from './sessions/exchange-sessions.js';
import { PresentedSession } from './sessions/presented-session.js';
import { SessionEnder } from './sessions/session-ender.js';
import { SessionIssuer } from './sessions/session-issuer.js';
import { SessionWatch } from './sessions/session-watch.js';
import { SessionRefresher } from './sessions/session-refresher.js';
import { TokenInvalidator } from './sessions/token-invalidator.js';
import { TokenDelivery } from './sessions/token-delivery.js';
import { AfterCommit } from './store/after-commit.js';
import { CleanUpStore } from './store/clean-up.store.js';
import { Database } from './store/database.js';
import { KeyStore } from './store/key.store.js';
import { Notifications } from './store/notifications.js';
import { RevocationStore } from './store/revocation.store.js';
import { RotationStore } from './store/rotation.store.js';
import { SchemaCheck } from './store/schema-check.js';
import { SessionStore } from './store/session.store.js';
import { Credentials } from './transport/credentials.js';
import { CsrfProtection } from './transport/csrf.js';
import { MountedPath } from './transport/mounted-path.js';
import { RefusalHeaders } from './transport/refusal-headers.js';
import { ResponseHeaders } from './transport/response-headers.js';
import { SessionCookies } from './transport/session-cookies.js';

// The module's parts by layer; each layer uses those above it.

const runtime = [SessionClock, SessionRandom, SessionTimers, Schedule, SessionEvents];

const store = [
  Database,
  AfterCommit,
  SchemaCheck,
  SessionStore,
  RotationStore,
  KeyStore,
  CleanUpStore,
  RevocationStore,
  Notifications,
];

const keys = [
  ServerSecrets,
  StoredKeys,
  SuppliedKeys,
  {
    provide: KeySource,
    inject: [ResolvedSessionOptions, StoredKeys, SuppliedKeys],
    useFactory: (options: ResolvedSessionOptions, stored: StoredKeys, supplied: SuppliedKeys) =>
      options.keys.signingKey === undefined ? stored : supplied,
  },
  KeyRing,
  { provide: VerificationKeys, useExisting: KeyRing },
  KeyRotation,
  JwksRoute,
];

const revocation = [Revocations, RevocationFeed, StandingCheck];

const transport = [ResponseHeaders, MountedPath, SessionCookies, Credentials, CsrfProtection, RefusalHeaders];

const accessToken = [
  TokenBinding,
  CsrfTokens,
  AccessTokenEncryption,
  { provide: AccessTokenDecryption, useExisting: AccessTokenEncryption },
  AccessTokenSigner,
  AccessTokenVerifier,
  AccessTokens,
  { provide: SessionAuthenticator, useClass: LocalSessionAuthenticator },
];

const sessions = [
  PresentedSession,
  ClaimsHook,
  TokenDelivery,
  SessionIssuer,
  SessionRefresher,
  SessionEnder,
  SessionWatch,
  TokenInvalidator,
  ExchangeSessions,
  CleanUp,
  Confirmations,
  { provide: TokenUse, useExisting: Confirmations },
];

export const SESSION_PROVIDERS: Provider[] = [
  ...runtime,
  ...store,
  ...keys,
  ...revocation,
  ...transport,
  ...accessToken,
  ...sessions,
];
