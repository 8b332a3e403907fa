import {
  ConfigurableModuleBuilder,
  type ConfigurableModuleAsyncOptions,
  type DynamicModule,
  Module,
} from '@nestjs/common';
import { SessionAuthenticator } from '../http/session-authenticator.js';
import { VerificationKeys } from '../keys/key-ring.js';
import { checkAsyncOptions, checkStaticOptions } from '../common/static-options.js';
import { withoutForRoot } from '../common/without-for-root.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SessionEvents } from '../session.events.js';
import { SessionGuard } from '../session.guard.js';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { HttpSessionAuthenticator } from '../http/http-session-authenticator.js';
import { SessionHttp } from '../http/session-http.js';
import { RemoteKeys } from './remote-keys.js';
import { RemoteRevocations } from './remote-revocations.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { RemoteTokenAuthenticator } from './remote-token-authenticator.js';
import {
  ResolvedVerifierOptions,
  resolveVerifierOptions,
  sessionOptionsOf,
  type SessionVerifierModuleExtras,
  type SessionVerifierOptions,
  StaticVerifierSettings,
} from './session-verifier.options.js';
import { SessionVerifierHealthIndicator } from './session-verifier-health.indicator.js';
import { SharedSecretKeys } from './shared-secret-keys.js';
import { VerifierTelemetry } from './verifier-telemetry.js';

const MODULE = 'SessionVerifierModule';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<SessionVerifierOptions>({
  moduleName: 'SessionVerifier',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createSessionVerifierOptions')
  .setExtras<SessionVerifierModuleExtras>(new StaticVerifierSettings(), declare)
  .build();

/** The options of `forRootAsync`: one way to get the options, and the static ones beside it. */
export interface SessionVerifierAsyncOptions
  extends
    ConfigurableModuleAsyncOptions<SessionVerifierOptions, 'createSessionVerifierOptions'>,
    SessionVerifierModuleExtras {}

const EXPORTS = [SessionGuard, SessionAuthenticator, SessionVerifierHealthIndicator];

/**
 * Protects the controllers of a service without sessions of its own: it verifies the access tokens that an application
 * with `SessionModule` issues. It needs no database; it only fetches the public keys of that application.
 */
@Module(withoutForRoot(MODULE, EXPORTS))
export class SessionVerifierModule extends ConfigurableModuleClass {
  /** `{ jwksUri, issuer, audience }`; the last two as in the issuing application, if it has them. */
  static override forRoot(options: SessionVerifierOptions & SessionVerifierModuleExtras): DynamicModule {
    return super.forRoot(options);
  }

  /** `useFactory`, `useClass` or `useExisting`; `isGlobal` beside it. */
  static override forRootAsync(options: SessionVerifierAsyncOptions): DynamicModule {
    checkAsyncOptions(MODULE, StaticVerifierSettings, options);
    return super.forRootAsync(options);
  }
}

function declare(definition: DynamicModule, given: SessionVerifierModuleExtras): DynamicModule {
  const { isGlobal } = checkStaticOptions(MODULE, StaticVerifierSettings, given);
  return {
    ...definition,
    global: isGlobal,
    providers: [
      ...definition.providers!,
      {
        provide: ResolvedVerifierOptions,
        inject: [MODULE_OPTIONS_TOKEN],
        useFactory: (options: SessionVerifierOptions) => resolveVerifierOptions(options, process.env),
      },
      { provide: ResolvedSessionOptions, inject: [ResolvedVerifierOptions], useFactory: sessionOptionsOf },
      {
        provide: VerificationKeys,
        inject: [ResolvedVerifierOptions],
        useFactory: async ({ jwksUri, sharedSecret }: ResolvedVerifierOptions): Promise<VerificationKeys> =>
          jwksUri === undefined ? SharedSecretKeys.of(sharedSecret!) : new RemoteKeys(jwksUri),
      },
      {
        provide: RemoteRevocations,
        inject: [ResolvedVerifierOptions, VerificationKeys, SessionClock, SessionTimers],
        useFactory: (
          options: ResolvedVerifierOptions,
          keys: VerificationKeys,
          clock: SessionClock,
          timers: SessionTimers,
        ) => (options.revocations.url === undefined ? undefined : new RemoteRevocations(options, keys, clock, timers)),
      },
      SessionClock,
      SessionTimers,
      SessionEvents,
      Telemetry.providerFor(MODULE, ResolvedVerifierOptions),
      VerifierTelemetry,
      SessionHttp,
      RemoteTokenAuthenticator,
      {
        provide: SessionAuthenticator,
        inject: [SessionHttp, RemoteTokenAuthenticator, SessionClock],
        useFactory: (http: SessionHttp, tokens: RemoteTokenAuthenticator, clock: SessionClock) =>
          new HttpSessionAuthenticator(http, tokens, clock),
      },
      SessionVerifierHealthIndicator,
      SessionGuard,
    ],
    exports: EXPORTS,
  };
}
