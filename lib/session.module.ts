import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Module,
  type NestModule,
} from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { SessionAuthenticator } from './http/session-authenticator.js';
import { JwksRoute } from './http/jwks-route.js';
import { checkAsyncOptions, checkStaticOptions } from './common/static-options.js';
import { resolveOptions, ResolvedSessionOptions } from './options/resolve-options.js';
import type { SessionModuleOptions } from './options/session-options.js';
import { type SessionModuleExtras, StaticSessionSettings } from './options/static-options.js';
import { SESSION_DATA_SOURCE, SESSION_MODULE_CLASS, SESSION_MODULE_EXTRAS } from './session.constants.js';
import { mountedAt } from './common/mounted-at.js';
import { SessionController } from './session.controller.js';
import { SessionGuard } from './session.guard.js';
import { introspectionAt } from './http/introspection.controller.js';
import { SessionLifecycle } from './session.lifecycle.js';
import { SESSION_PROVIDERS } from './session.providers.js';
import { SessionService } from './session.service.js';
import { SESSION_ENTITIES } from './store/entities/index.js';

const MODULE = 'SessionModule';

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

/** Logs users in and out. Import it once, with `forRoot` or `forRootAsync`. */
@Module({})
export class SessionModule extends ConfigurableModuleClass implements NestModule {
  /** @internal Nest makes it. */
  constructor(
    private readonly lifecycle: SessionLifecycle,
    private readonly jwks: JwksRoute,
  ) {
    super();
  }

  /** All options have defaults; outside production `forRoot()` is enough. */
  static override forRoot(options: SessionModuleOptions & SessionModuleExtras = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** `useFactory`, `useClass` or `useExisting`; static options (`dataSource`, `controller`, `jwks`, `verify`, `isGlobal`) beside it. */
  static override forRootAsync(options: SessionModuleAsyncOptions): DynamicModule {
    checkAsyncOptions(MODULE, StaticSessionSettings, options);
    return super.forRootAsync(options);
  }

  // Before any route of the application is registered, so that a wildcard route does not take the keys' place.
  configure(): void {
    this.lifecycle.requireOneModule();
    this.jwks.mount();
  }
}

function declare(
  { imports = [], providers = [], ...definition }: DynamicModule,
  given: SessionModuleExtras,
): DynamicModule {
  const extras = checkStaticOptions(MODULE, StaticSessionSettings, given);
  return {
    ...definition,
    global: extras.isGlobal,
    imports: [TypeOrmModule.forFeature(SESSION_ENTITIES, extras.dataSource), ...imports],
    controllers: [
      ...(extras.controller ? [mountedAt(SessionController, extras.controller.path)] : []),
      ...introspectionAt(extras),
    ],
    providers: [
      ...providers,
      { provide: SESSION_MODULE_EXTRAS, useValue: extras },
      { provide: SESSION_MODULE_CLASS, useValue: SessionModule },
      { provide: SESSION_DATA_SOURCE, useExisting: getDataSourceToken(extras.dataSource) },
      {
        provide: ResolvedSessionOptions,
        inject: [MODULE_OPTIONS_TOKEN],
        useFactory: (options: SessionModuleOptions) => resolveOptions(options, process.env),
      },
      ...SESSION_PROVIDERS,
      SessionLifecycle,
      SessionService,
      SessionGuard,
    ],
    exports: [SessionService, SessionGuard, SessionAuthenticator],
  };
}
