import type { Provider } from '@nestjs/common';
import { AccessTokenDecryption } from './tokens/access-token-decryption.js';
import { AccessTokenEncryption } from './tokens/access-token-encryption.js';
import { AccessTokenSigner } from './tokens/access-token-signer.js';
import { AccessTokenVerifier } from './tokens/access-token-verifier.js';
import { AccessTokenAuthenticator, TokenUse } from './tokens/access-token-authenticator.js';
import { SessionAuthenticator } from './http/session-authenticator.js';
import { TokenBinding } from './tokens/token-binding.js';
import { JwksRoute } from './http/jwks-route.js';
import { KEY_PROVIDERS } from './keys/key.providers.js';
import { RevocationFeed } from './revocation/revocation-feed.js';
import { RevocationCheck } from './revocation/revocation-check.js';
import { Revocations } from './revocation/revocations.js';
import { SessionEvents } from './session.events.js';
import { SessionClock, SessionTimers } from './common/clock.js';
import { Schedule } from './common/schedule.js';
import { Announcements } from './sessions/announcements.js';
import { ClaimsHook } from './sessions/claims-hook.js';
import { SessionMaintenance } from './sessions/maintenance.js';
import { SessionRecords } from './sessions/session-records.js';
import { RotationConfirmations } from './sessions/rotation-confirmations.js';
import { ExchangeSessions } from './sessions/exchange-sessions.js';
import { RequestSession } from './http/request-session.js';
import { SessionRevoker } from './sessions/log-out.js';
import { SessionIssuer } from './sessions/log-in.js';
import { SessionExpiryWatcher } from './sessions/session-expiry-watcher.js';
import { SessionRefresher } from './sessions/refresh.js';
import { CleanUpStore } from './store/clean-up.store.js';
import { Database } from './store/database.js';
import { KeyStore } from './store/key.store.js';
import { Notifications } from './store/notifications.js';
import { RevocationStore } from './store/revocation.store.js';
import { RotationStore } from './store/rotation.store.js';
import { SchemaCheck } from './store/schema-check.js';
import { SessionStore } from './store/session.store.js';
import { ServerSecrets } from './keys/server-secrets.js';
import { HttpSecrets } from './http/http-secrets.js';
import { HttpSessionAuthenticator } from './http/http-session-authenticator.js';
import { SessionHttp } from './http/session-http.js';
import { TokenAuthenticator } from './tokens/token-authenticator.js';

// The module's parts by layer; each layer uses those above it.

const runtime = [SessionClock, SessionTimers, Schedule, SessionEvents];

const store = [
  Database,
  SchemaCheck,
  SessionStore,
  RotationStore,
  KeyStore,
  CleanUpStore,
  RevocationStore,
  Notifications,
];

const keys = [...KEY_PROVIDERS, JwksRoute];

const revocation = [Revocations, RevocationFeed, RevocationCheck];

const http = [
  { provide: HttpSecrets, useExisting: ServerSecrets },
  SessionHttp,
  RequestSession,
  { provide: SessionAuthenticator, useClass: HttpSessionAuthenticator },
];

const accessToken = [
  TokenBinding,
  AccessTokenEncryption,
  { provide: AccessTokenDecryption, useExisting: AccessTokenEncryption },
  AccessTokenSigner,
  AccessTokenVerifier,
  AccessTokenAuthenticator,
  { provide: TokenAuthenticator, useExisting: AccessTokenAuthenticator },
];

const sessions = [
  Announcements,
  ClaimsHook,
  SessionIssuer,
  SessionRefresher,
  SessionRevoker,
  SessionExpiryWatcher,
  ExchangeSessions,
  SessionRecords,
  SessionMaintenance,
  RotationConfirmations,
  { provide: TokenUse, useExisting: RotationConfirmations },
];

export const SESSION_PROVIDERS: Provider[] = [
  ...runtime,
  ...store,
  ...keys,
  ...revocation,
  ...accessToken,
  ...http,
  ...sessions,
];
