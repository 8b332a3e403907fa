import {
  type DynamicModule,
  Module,
  type ModuleMetadata,
  type NestModule,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { type AsyncOptions, asyncOptionsProviders } from '../common/async-options.js';
import { mountedAt } from '../common/mounted-at.js';
import { requireOneModule } from '../common/one-module.js';
import { AccountClaims } from './account.claims.js';
import {
  ACCOUNT_DATA_SOURCE,
  ACCOUNT_ENTITY,
  ACCOUNT_MODULE_EXTRAS,
  ACCOUNT_MODULE_OPTIONS,
} from './account.constants.js';
import { AccountController } from './account.controller.js';
import { ACCOUNT_PROVIDERS } from './account.providers.js';
import { AccountService } from './account.service.js';
import type { AccountModuleExtras, AccountModuleOptions, AccountOptionsFactory } from './options/account-options.js';
import { ACCOUNT_DEFAULT_EXTRAS } from './options/account-options.defaults.js';
import { checkAccountExtras } from './options/check-account-extras.js';
import { resolveAccountOptions, ResolvedAccountOptions } from './options/resolve-account-options.js';
import { AccountEntity } from './store/account.entity.js';
import { AccountStore } from './store/account.store.js';
import { AttemptStore } from './store/attempt.store.js';
import { ACCOUNT_SERVICE_ENTITIES } from './store/entities.js';
import { TypeOrmAccountStore } from './store/typeorm-account.store.js';

/** What may stand beside the options of either kind. */
export interface AccountModuleImports extends AccountModuleExtras {
  /** Modules whose providers are used: by the factory, by `store` and by `mail.mailer`; SessionModule with `isGlobal: false`. */
  imports?: ModuleMetadata['imports'];
}

/** The options of `forRootAsync`: one of the three ways to get them, and the static ones beside it. */
export interface AccountModuleAsyncOptions
  extends AccountModuleImports, AsyncOptions<AccountModuleOptions, AccountOptionsFactory> {}

/** Accounts with e-mail and password, beside `SessionModule`. Import it once, with `forRoot` or `forRootAsync`. */
@Module({})
export class AccountModule implements NestModule, OnModuleInit {
  /** @internal Nest makes it. */
  constructor(private readonly modules: ModulesContainer) {}

  /** `baseUrl` and `mail.from` are required; all other options have defaults. */
  static forRoot(options: AccountModuleOptions & AccountModuleImports): DynamicModule {
    const { dataSource, controller, entity, store, imports, ...rest } = options;
    const provider = { provide: ACCOUNT_MODULE_OPTIONS, useValue: rest };
    return declare({ dataSource, controller, entity, store }, [provider], imports);
  }

  /** `useFactory`, `useClass` or `useExisting`; static options (`dataSource`, `controller`, `entity`, `store`) beside it. */
  static forRootAsync(options: AccountModuleAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders('AccountModule', ACCOUNT_MODULE_OPTIONS, options, factory =>
      factory.createAccountOptions(),
    );
    return declare(options, providers, options.imports);
  }

  // Before any route is registered.
  configure(): void {
    requireOneModule(this.modules, 'AccountModule', AccountModule);
  }

  // An application without HTTP configures nothing.
  onModuleInit(): void {
    this.configure();
  }
}

function declare(
  given: AccountModuleExtras,
  options: Provider[],
  imports: ModuleMetadata['imports'] = [],
): DynamicModule {
  checkAccountExtras(given);
  const { dataSource, entity = AccountEntity, store, controller = ACCOUNT_DEFAULT_EXTRAS.controller } = given;
  const entities = store ? ACCOUNT_SERVICE_ENTITIES : [entity, ...ACCOUNT_SERVICE_ENTITIES];
  return {
    module: AccountModule,
    // Guards and claims of the application need the service everywhere.
    global: true,
    imports: [TypeOrmModule.forFeature(entities, dataSource), ...imports],
    controllers: controller ? [mountedAt(AccountController, controller.path)] : [],
    providers: [
      ...options,
      { provide: ACCOUNT_MODULE_EXTRAS, useValue: { dataSource, entity, store, controller } },
      { provide: ACCOUNT_ENTITY, useValue: entity },
      { provide: ACCOUNT_DATA_SOURCE, useExisting: getDataSourceToken(dataSource) },
      {
        provide: ResolvedAccountOptions,
        inject: [ACCOUNT_MODULE_OPTIONS],
        useFactory: (raw: AccountModuleOptions | undefined) => resolveAccountOptions(raw, process.env),
      },
      { provide: AccountStore, useClass: store ?? TypeOrmAccountStore },
      ...ACCOUNT_PROVIDERS,
    ],
    // The options for controllers that extend AccountController elsewhere: their guard reads them.
    exports: [AccountService, AccountClaims, AccountStore, AttemptStore, ResolvedAccountOptions],
  };
}
