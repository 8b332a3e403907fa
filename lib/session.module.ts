import {
  type BeforeApplicationShutdown,
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Logger,
  Module,
  type NestModule,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SessionClock, SessionTimers } from './common/clock.js';
import { dataSourceProvider } from './common/data-source.js';
import { acceptEmptyBodies } from './common/empty-bodies.js';
import { mountedAt } from './common/mounted-at.js';
import { requireOneModule } from './common/one-module.js';
import { Schedule } from './common/schedule.js';
import { checkAsyncOptions, checkStaticOptions } from './common/static-options.js';
import { withoutForRoot } from './common/without-for-root.js';
import { HttpSessionAuthenticator } from './http/http-session-authenticator.js';
import { introspectionAt } from './http/introspection.controller.js';
import { RequestSession } from './http/request-session.js';
import { revocationsAt } from './http/revocations.controller.js';
import { SessionAuthenticator } from './http/session-authenticator.js';
import { RetryAfterFilter } from './http/retry-after.filter.js';
import { SessionHttp } from './http/session-http.js';
import { ConfiguredKeys } from './keys/configured-keys.js';
import { GeneratedKeys } from './keys/generated-keys.js';
import { KeyRing } from './keys/key-ring.js';
import { KeyRotation } from './keys/key-rotation.js';
import { ServerSecrets } from './keys/server-secrets.js';
import { resolveOptions, ResolvedSessionOptions } from './options/resolve-options.js';
import type { SessionModuleOptions } from './options/session-options.js';
import { type SessionModuleExtras, StaticSessionSettings } from './options/static-options.js';
import { Announcements } from './revocation/announcements.js';
import { PublishedRevocations } from './revocation/published-revocations.js';
import { RevocationCheck } from './revocation/revocation-check.js';
import { RevocationFeed } from './revocation/revocation-feed.js';
import { RevocationPoll } from './revocation/revocation-poll.js';
import { Revocations } from './revocation/revocations.js';
import { SESSION_DATA_SOURCE, SESSION_MODULE_EXTRAS } from './session.constants.js';
import { SessionController } from './session.controller.js';
import { SessionEvents } from './session.events.js';
import { SessionGuard } from './session.guard.js';
import { SessionService } from './session.service.js';
import { SessionTelemetry } from './session.telemetry.js';
import { AdapterRoutes } from './sessions/adapter-routes.js';
import { Admission } from './sessions/admission.js';
import { ClaimsHook } from './sessions/claims-hook.js';
import { DbscSessions } from './sessions/dbsc.js';
import { SessionIssuer } from './sessions/log-in.js';
import { SessionRevoker } from './sessions/log-out.js';
import { SessionMaintenance } from './sessions/maintenance.js';
import { PauseDetector } from './sessions/pause-detector.js';
import { SessionRefresher } from './sessions/refresh.js';
import { SessionGauges } from './sessions/session-gauges.js';
import { SessionExpiryWatcher } from './sessions/session-expiry-watcher.js';
import { SessionHealthIndicator } from './sessions/session-health.indicator.js';
import { KnownDevices } from './sessions/known-devices.js';
import { SessionRecords } from './sessions/session-records.js';
import { SessionImpersonator } from './sessions/impersonation.js';
import { SessionTokens } from './sessions/session-tokens.js';
import { CleanUpStore } from './store/clean-up.store.js';
import { Database } from './store/database.js';
import { SESSION_ENTITIES } from './store/entities/index.js';
import { ImpersonationStore } from './store/impersonation.store.js';
import { KeyStore } from './store/key.store.js';
import { Notifications } from './store/notifications.js';
import { PersonalDataStore } from './store/personal-data.store.js';
import { RevocationStore } from './store/revocation.store.js';
import { RotationStore } from './store/rotation.store.js';
import { DatabaseClock } from './store/database-clock.js';
import { SessionStore } from './store/session.store.js';
import { StoreLoad } from './store/store-load.js';
import { Telemetry } from './telemetry/telemetry.js';
import { AccessTokenAuthenticator } from './tokens/access-token-authenticator.js';
import { AccessTokenEncryption } from './tokens/access-token-encryption.js';
import { AccessTokenSigner } from './tokens/access-token-signer.js';
import { RotationConfirmations } from './tokens/rotation-confirmations.js';
import { TokenBinding } from './tokens/token-binding.js';

const MODULE = 'SessionModule';

// The module's parts by layer; each layer uses those above it.

const RUNTIME = [
  SessionClock,
  SessionTimers,
  Schedule,
  SessionEvents,
  Telemetry.providerFor(MODULE, ResolvedSessionOptions),
];

const STORE = [
  Database,
  DatabaseClock,
  StoreLoad,
  SessionStore,
  ImpersonationStore,
  RotationStore,
  KeyStore,
  CleanUpStore,
  RevocationStore,
  PersonalDataStore,
  Notifications,
];

const KEYS = [
  ServerSecrets,
  GeneratedKeys,
  {
    provide: KeyRing,
    inject: [ResolvedSessionOptions, GeneratedKeys, SessionClock, SessionTimers],
    useFactory: (
      options: ResolvedSessionOptions,
      generated: GeneratedKeys,
      clock: SessionClock,
      timers: SessionTimers,
    ): KeyRing => {
      const isConfigured = options.keys.signingKey !== undefined;
      return new KeyRing(options, isConfigured ? new ConfiguredKeys(options, clock, timers) : generated, clock);
    },
  },
  KeyRotation,
];

const REVOCATION = [Revocations, Announcements, RevocationPoll, RevocationFeed, RevocationCheck, PublishedRevocations];

const HTTP = [
  SessionHttp,
  RequestSession,
  RetryAfterFilter,
  {
    provide: SessionAuthenticator,
    inject: [SessionHttp, AccessTokenAuthenticator, SessionClock],
    useFactory: (http: SessionHttp, tokens: AccessTokenAuthenticator, clock: SessionClock) =>
      new HttpSessionAuthenticator(http, tokens, clock),
  },
];

const TOKENS = [
  TokenBinding,
  AccessTokenEncryption,
  AccessTokenSigner,
  RotationConfirmations,
  AccessTokenAuthenticator,
];

const SESSIONS = [
  ClaimsHook,
  SessionTokens,
  PauseDetector,
  Admission,
  SessionIssuer,
  SessionImpersonator,
  SessionRefresher,
  DbscSessions,
  AdapterRoutes,
  SessionRevoker,
  SessionExpiryWatcher,
  SessionRecords,
  KnownDevices,
  SessionMaintenance,
  SessionHealthIndicator,
  SessionGauges,
];

const SESSION_PROVIDERS: Provider[] = [...RUNTIME, ...STORE, ...KEYS, ...REVOCATION, ...TOKENS, ...HTTP, ...SESSIONS];

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<SessionModuleOptions>({
  moduleName: 'Session',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createSessionOptions')
  .setExtras<SessionModuleExtras>(new StaticSessionSettings(), declare)
  .build();

/** The options of `forRootAsync`: one way to get the options, and the static ones beside it. */
export interface SessionModuleAsyncOptions
  extends ConfigurableModuleAsyncOptions<SessionModuleOptions, 'createSessionOptions'>, SessionModuleExtras {}

const EXPORTS = [SessionService, KnownDevices, SessionGuard, SessionAuthenticator, SessionHealthIndicator];
const INJECTED = [
  ResolvedSessionOptions,
  SESSION_MODULE_EXTRAS,
  SessionHttp,
  AdapterRoutes,
  SessionMaintenance,
  SessionEvents,
];

/** Logs users in and out. Import it once, with `forRoot` or `forRootAsync`. */
@Module(withoutForRoot(MODULE, EXPORTS, INJECTED))
export class SessionModule
  extends ConfigurableModuleClass
  implements NestModule, OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown
{
  private readonly logger = new Logger(MODULE);

  /** @internal Nest makes it. */
  constructor(
    private readonly options: ResolvedSessionOptions,
    @Inject(SESSION_MODULE_EXTRAS) private readonly extras: SessionModuleExtras,
    private readonly modules: ModulesContainer,
    private readonly host: HttpAdapterHost,
    private readonly http: SessionHttp,
    private readonly routes: AdapterRoutes,
    private readonly maintenance: SessionMaintenance,
    private readonly events: SessionEvents,
  ) {
    super();
  }

  /** All options have defaults; outside production `forRoot()` is enough. */
  static override forRoot(options: SessionModuleOptions & SessionModuleExtras = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * `useFactory`, `useClass` or `useExisting`; static options (`dataSource`, `controller`, `jwks`, `verify`,
   * `revocations`, `isGlobal`) beside it.
   */
  static override forRootAsync(options: SessionModuleAsyncOptions): DynamicModule {
    checkAsyncOptions(MODULE, StaticSessionSettings, options);
    return super.forRootAsync(options);
  }

  /**
   * Runs before the routes of the application are registered, so that a wildcard route does not hide the public keys.
   */
  configure(): void {
    requireOneModule(this.modules, MODULE, SessionModule);
    this.routes.mount();
    acceptEmptyBodies(this.host.httpAdapter);
  }

  async onModuleInit(): Promise<void> {
    // An application without HTTP does not call configure().
    requireOneModule(this.modules, MODULE, SessionModule);
    await this.maintenance.start();
    this.logSetUp();
  }

  async onModuleDestroy(): Promise<void> {
    await this.maintenance.stop();
  }

  /** Nest calls the hooks of providers first, so their last events are still delivered. */
  beforeApplicationShutdown(): void {
    this.events.complete();
  }

  private logSetUp(): void {
    const { transport, accessToken, cookies, csrf, revocation } = this.options;
    const { controller } = this.extras;
    const mounted = controller && this.host?.httpAdapter ? this.http.cookies.refreshPath : 'not mounted';
    this.logger.log(
      `sessions at ${mounted}, transport ${transport}, ${accessToken.algorithm}, revocation ${revocation.mode}${revocation.mode === 'live' ? ` (${revocation.announcer ? 'announcer' : revocation.feed})` : ''}, public keys at ${this.routes.jwks.path ?? 'not mounted'}`,
    );
    if (transport === 'bearer') return;
    if (!cookies.secure) this.logger.warn('cookies are not Secure: for development on plain http only');
    if (csrf === 'off') this.logger.warn("csrf is off: pages of other sites can act with a user's cookies");
  }
}

function declare({ providers = [], ...definition }: DynamicModule, given: SessionModuleExtras): DynamicModule {
  const extras = checkStaticOptions(MODULE, StaticSessionSettings, given);
  // For autoLoadEntities. The module that comes back has repositories, which nothing here uses.
  TypeOrmModule.forFeature(SESSION_ENTITIES, extras.dataSource);
  return {
    ...definition,
    global: extras.isGlobal,
    controllers: [
      ...(extras.controller ? [mountedAt(SessionController, extras.controller.path)] : []),
      ...introspectionAt(extras),
      ...revocationsAt(extras),
    ],
    providers: [
      ...providers,
      { provide: SESSION_MODULE_EXTRAS, useValue: extras },
      dataSourceProvider(SESSION_DATA_SOURCE, MODULE, extras.dataSource),
      {
        provide: ResolvedSessionOptions,
        inject: [MODULE_OPTIONS_TOKEN],
        useFactory: (options: SessionModuleOptions) => resolveOptions(options, process.env),
      },
      ...SESSION_PROVIDERS,
      SessionService,
      SessionTelemetry,
      SessionGuard,
    ],
    exports: EXPORTS,
  };
}
