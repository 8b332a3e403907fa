import { AccountEntity } from '../store/account.entity.js';
import { AccountStore } from '../store/account.store.js';
import type { AccountModuleExtras } from './account-options.js';
import { AccountOptionsError } from './resolve-account-options.js';

/**
 * Checks the static options, when the module is declared.
 *
 * @throws AccountOptionsError
 */
export function checkAccountExtras({ dataSource, controller, entity, store }: AccountModuleExtras): void {
  const rules: [wrong: boolean, mistake: string][] = [
    [
      dataSource !== undefined && (typeof dataSource !== 'string' || dataSource === ''),
      'option "dataSource": write the name of a TypeORM data source',
    ],
    [
      controller !== undefined && controller !== false && (typeof controller?.path !== 'string' || !controller.path),
      'option "controller": write { path: \'account\' } with a path of yours, or false',
    ],
    [
      entity !== undefined && entity !== AccountEntity && !(entity?.prototype instanceof AccountEntity),
      'option "entity": write a class that extends AccountEntity',
    ],
    [
      store !== undefined && !(store?.prototype instanceof AccountStore),
      'option "store": write a class that extends AccountStore',
    ],
    [
      store !== undefined && entity !== undefined,
      'options "store" and "entity": write one of them; a store of your own decides what its accounts are',
    ],
  ];
  const mistakes = rules.filter(([wrong]) => wrong).map(([, mistake]) => mistake);
  if (mistakes.length > 0) throw new AccountOptionsError(mistakes);
}
