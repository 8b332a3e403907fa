import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Module,
  type NestModule,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { dataSourceProvider } from '../common/data-source.js';
import { mountedAt } from '../common/mounted-at.js';
import { requireOneModule } from '../common/one-module.js';
import { refuseMistakes } from '../common/option-mistakes.js';
import { checkAsyncOptions, checkStaticOptions } from '../common/static-options.js';
import { withoutForRoot } from '../common/without-for-root.js';
import { AccountClaims } from './account.claims.js';
import { ACCOUNT_DATA_SOURCE, ACCOUNT_ENTITY, ACCOUNT_MODULE_EXTRAS } from './account.constants.js';
import { AccountController } from './account.controller.js';
import { ACCOUNT_PROVIDERS } from './account.providers.js';
import { AccountService } from './account.service.js';
import type { AccountModuleOptions } from './options/account-options.js';
import { resolveAccountOptions, ResolvedAccountOptions } from './options/resolve-account-options.js';
import { type AccountModuleImports, StaticAccountSettings } from './options/static-account-options.js';
import { AccountEntity } from './store/account.entity.js';
import { AccountStore } from './store/account.store.js';
import { AttemptStore } from './store/attempt.store.js';
import { ACCOUNT_SERVICE_ENTITIES } from './store/entities.js';
import { TypeOrmAccountStore } from './store/typeorm-account.store.js';

const MODULE = 'AccountModule';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<AccountModuleOptions>({
  moduleName: 'Account',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAccountOptions')
  .setExtras<AccountModuleImports>({ ...new StaticAccountSettings(), imports: [] }, declare)
  .build();

/** The options of `forRootAsync`: one way to get the options, and the static ones beside it. */
export interface AccountModuleAsyncOptions
  extends ConfigurableModuleAsyncOptions<AccountModuleOptions, 'createAccountOptions'>, AccountModuleImports {}

// The options for controllers that extend AccountController elsewhere: their guard reads them.
const EXPORTS = [AccountService, AccountClaims, AccountStore, AttemptStore, ResolvedAccountOptions];

/** Accounts with e-mail and password, beside `SessionModule`. Import it once, with `forRoot` or `forRootAsync`. */
@Module(withoutForRoot(MODULE, EXPORTS))
export class AccountModule extends ConfigurableModuleClass implements NestModule, OnModuleInit {
  /** @internal Nest makes it. */
  constructor(private readonly modules: ModulesContainer) {
    super();
  }

  /** `baseUrl` and `mail.from` are required; all other options have defaults. */
  static override forRoot(options: AccountModuleOptions & AccountModuleImports): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * `useFactory`, `useClass` or `useExisting`; static options (`dataSource`, `controller`, `entity`, `store`) beside
   * it.
   */
  static override forRootAsync(options: AccountModuleAsyncOptions): DynamicModule {
    checkAsyncOptions(MODULE, StaticAccountSettings, options);
    return super.forRootAsync(options);
  }

  // Before any route is registered.
  configure(): void {
    requireOneModule(this.modules, 'AccountModule', AccountModule);
  }

  // `configure()` is not called without an HTTP adapter.
  onModuleInit(): void {
    this.configure();
  }
}

function declare(definition: DynamicModule, given: AccountModuleImports): DynamicModule {
  const extras = checkStaticOptions(MODULE, StaticAccountSettings, given);
  const { dataSource, entity = AccountEntity, store, controller } = extras;
  refuseMistakes(MODULE, [
    [
      extras.store !== undefined && extras.entity !== undefined,
      'options "store" and "entity": write one of them; a store of your own decides what its accounts are',
    ],
  ]);
  const entities = store ? ACCOUNT_SERVICE_ENTITIES : [entity, ...ACCOUNT_SERVICE_ENTITIES];
  // For autoLoadEntities. The module that comes back has repositories, which nothing here uses.
  TypeOrmModule.forFeature(entities, dataSource);
  return {
    ...definition,
    // Guards and claims of the application need the service everywhere.
    global: true,
    imports: definition.imports ?? given.imports ?? [],
    controllers: controller ? [mountedAt(AccountController, controller.path)] : [],
    providers: [
      ...(definition.providers ?? []),
      { provide: ACCOUNT_MODULE_EXTRAS, useValue: extras },
      { provide: ACCOUNT_ENTITY, useValue: entity },
      dataSourceProvider(ACCOUNT_DATA_SOURCE, MODULE, dataSource),
      {
        provide: ResolvedAccountOptions,
        inject: [MODULE_OPTIONS_TOKEN],
        useFactory: (options: AccountModuleOptions) => resolveAccountOptions(options, process.env),
      },
      { provide: AccountStore, useClass: store ?? TypeOrmAccountStore },
      ...ACCOUNT_PROVIDERS,
    ],
    exports: EXPORTS,
  };
}
