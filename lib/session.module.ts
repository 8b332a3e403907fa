import { type DynamicModule, Module, type ModuleMetadata, type NestModule, type Provider } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { SessionAuthenticator } from './http/session-authenticator.js';
import { JwksRoute } from './http/jwks-route.js';
import { type AsyncOptions, asyncOptionsProviders } from './common/async-options.js';
import { checkExtras } from './options/check-extras.js';
import { resolveOptions, ResolvedSessionOptions } from './options/resolve-options.js';
import { DEFAULT_EXTRAS } from './options/session-options.defaults.js';
import type { SessionModuleExtras, SessionModuleOptions, SessionOptionsFactory } from './options/session-options.js';
import {
  SESSION_DATA_SOURCE,
  SESSION_MODULE_CLASS,
  SESSION_MODULE_EXTRAS,
  SESSION_MODULE_OPTIONS,
} from './session.constants.js';
import { mountedAt } from './common/mounted-at.js';
import { SessionController } from './session.controller.js';
import { SessionGuard } from './session.guard.js';
import { introspectionAt } from './http/introspection.controller.js';
import { SessionLifecycle } from './session.lifecycle.js';
import { SESSION_PROVIDERS } from './session.providers.js';
import { SessionService } from './session.service.js';
import { SESSION_ENTITIES } from './store/entities/index.js';

/** The options of `forRootAsync`: one of the three ways to get them, and the static ones beside it. */
export interface SessionModuleAsyncOptions
  extends SessionModuleExtras, AsyncOptions<SessionModuleOptions, SessionOptionsFactory> {}

/** Logs users in and out. Import it once, with `forRoot` or `forRootAsync`. */
@Module({})
export class SessionModule implements NestModule {
  /** @internal Nest makes it. */
  constructor(
    private readonly lifecycle: SessionLifecycle,
    private readonly jwks: JwksRoute,
  ) {}

  /** All options have defaults; outside production `forRoot()` is enough. */
  static forRoot(options: SessionModuleOptions & SessionModuleExtras = {}): DynamicModule {
    const { dataSource, controller, jwks, verify, isGlobal, ...rest } = options;
    return declare({ dataSource, controller, jwks, verify, isGlobal }, [
      { provide: SESSION_MODULE_OPTIONS, useValue: rest },
    ]);
  }

  /** `useFactory`, `useClass` or `useExisting`; static options (`dataSource`, `controller`, `jwks`, `verify`, `isGlobal`) beside it. */
  static forRootAsync(options: SessionModuleAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders('SessionModule', SESSION_MODULE_OPTIONS, options, factory =>
      factory.createSessionOptions(),
    );
    return declare(options, providers, options.imports);
  }

  // Before any route of the application is registered, so that a wildcard route does not take the keys' place.
  configure(): void {
    this.lifecycle.requireOneModule();
    this.jwks.mount();
  }
}

function declare(
  given: SessionModuleExtras,
  options: Provider[],
  imports: ModuleMetadata['imports'] = [],
): DynamicModule {
  checkExtras(given);
  const extras = {
    dataSource: given.dataSource,
    controller: given.controller ?? DEFAULT_EXTRAS.controller,
    jwks: given.jwks ?? DEFAULT_EXTRAS.jwks,
    verify: given.verify,
    isGlobal: given.isGlobal ?? DEFAULT_EXTRAS.isGlobal,
  };
  return {
    module: SessionModule,
    global: extras.isGlobal,
    imports: [TypeOrmModule.forFeature(SESSION_ENTITIES, extras.dataSource), ...imports],
    controllers: [
      ...(extras.controller ? [mountedAt(SessionController, extras.controller.path)] : []),
      ...introspectionAt(extras),
    ],
    providers: [
      ...options,
      { provide: SESSION_MODULE_EXTRAS, useValue: extras },
      { provide: SESSION_MODULE_CLASS, useValue: SessionModule },
      { provide: SESSION_DATA_SOURCE, useExisting: getDataSourceToken(extras.dataSource) },
      {
        provide: ResolvedSessionOptions,
        inject: [SESSION_MODULE_OPTIONS],
        useFactory: (raw: SessionModuleOptions | undefined) => resolveOptions(raw, process.env),
      },
      ...SESSION_PROVIDERS,
      SessionLifecycle,
      SessionService,
      SessionGuard,
    ],
    exports: [SessionService, SessionGuard, SessionAuthenticator],
  };
}
