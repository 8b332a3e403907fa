import type { ModuleMetadata, Type } from '@nestjs/common';
import { Check, classExtending, mountedAt, text } from '../../common/option-checks.js';
import { type Given, OptionGroup } from '../../common/options.js';
import { AccountEntity } from '../store/account.entity.js';
import { AccountStore } from '../store/account.store.js';

/** Where the account controller is mounted by default. */
export const ACCOUNT_PATH = 'account';

/** Options that must be known when the module is declared: written beside `useFactory`, never in its result. */
export class StaticAccountSettings extends OptionGroup {
  /** Name of the TypeORM data source: the one of SessionModule. */
  @Check(text('write the name of a TypeORM data source'))
  dataSource?: string = undefined;

  /** Where the routes are mounted; `false` mounts nothing. */
  @Check(mountedAt(ACCOUNT_PATH))
  controller: { path: string } | false = { path: ACCOUNT_PATH };

  /** The application's own class of accounts, with more columns. */
  @Check(classExtending(AccountEntity, 'write a class that extends AccountEntity'))
  entity?: typeof AccountEntity = undefined;

  /** The application's own store; `entity` is not used then. */
  @Check(classExtending(AccountStore, 'write a class that extends AccountStore'))
  store?: Type<AccountStore> = undefined;
}

export interface AccountModuleExtras extends Given<StaticAccountSettings> {}

/** What is written beside the options of `forRoot`, and beside the factory of `forRootAsync`. */
export interface AccountModuleImports extends AccountModuleExtras {
  /**
   * Modules whose providers are used: by the factory, by `store` and by `mail.mailer`; SessionModule with `isGlobal:
   * false`.
   */
  imports?: ModuleMetadata['imports'];
}
