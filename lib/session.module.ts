import {
  type DynamicModule,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type NestModule,
  type OptionalFactoryDependency,
  type Provider,
  type Type,
} from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { SessionAuthenticator } from './access-token/session-authenticator.js';
import { JwksRoute } from './keys/jwks-route.js';
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
import { mountedAt } from './session.controller.js';
import { SessionGuard } from './session.guard.js';
import { SessionLifecycle } from './session.lifecycle.js';
import { SESSION_PROVIDERS } from './session.providers.js';
import { SessionService } from './session.service.js';
import { SESSION_ENTITIES } from './store/entities/index.js';

/** The options of `forRootAsync`: one of the three ways to get them, and the static ones beside it. */
export interface SessionModuleAsyncOptions extends SessionModuleExtras {
  imports?: ModuleMetadata['imports'];
  inject?: (InjectionToken | OptionalFactoryDependency)[];
  // `never[]` takes factories with parameters of any type, as Nest resolves them by `inject`.
  useFactory?: (...dependencies: never[]) => SessionModuleOptions | Promise<SessionModuleOptions>;
  useClass?: Type<SessionOptionsFactory>;
  useExisting?: InjectionToken<SessionOptionsFactory>;
}

/** Logs users in and out. Import it once, with `forRoot` or `forRootAsync`. */
@Module({})
export class SessionModule implements NestModule {
  constructor(
    private readonly lifecycle: SessionLifecycle,
    private readonly jwks: JwksRoute,
  ) {}

  /** All options have defaults; outside production `forRoot()` is enough. */
  static forRoot(options: SessionModuleOptions & SessionModuleExtras = {}): DynamicModule {
    const { dataSource, controller, jwks, isGlobal, ...rest } = options;
    return declare({ dataSource, controller, jwks, isGlobal }, [{ provide: SESSION_MODULE_OPTIONS, useValue: rest }]);
  }

  /** `useFactory`, `useClass` or `useExisting`; static options (`dataSource`, `controller`, `jwks`, `isGlobal`) beside it. */
  static forRootAsync(options: SessionModuleAsyncOptions): DynamicModule {
    return declare(options, asyncProviders(options), options.imports);
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
    isGlobal: given.isGlobal ?? DEFAULT_EXTRAS.isGlobal,
  };
  return {
    module: SessionModule,
    global: extras.isGlobal,
    imports: [TypeOrmModule.forFeature(SESSION_ENTITIES, extras.dataSource), ...imports],
    controllers: extras.controller ? [mountedAt(extras.controller.path)] : [],
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

function asyncProviders({ useFactory, useClass, useExisting, inject = [] }: SessionModuleAsyncOptions): Provider[] {
  if (useFactory) return [{ provide: SESSION_MODULE_OPTIONS, useFactory, inject }];
  const factory = useExisting ?? useClass;
  if (!factory) {
    throw new Error('SessionModule.forRootAsync needs one of useFactory, useClass and useExisting');
  }
  return [
    ...(useClass ? [useClass] : []),
    {
      provide: SESSION_MODULE_OPTIONS,
      inject: [factory],
      useFactory: (options: SessionOptionsFactory) => options.createSessionOptions(),
    },
  ];
}
