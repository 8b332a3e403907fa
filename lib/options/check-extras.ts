import { SessionOptionsError } from './resolve-options.js';
import type { SessionModuleExtras } from './session-options.js';

/**
 * Checks the static options, when the module is declared.
 *
 * @throws SessionOptionsError
 */
export function checkExtras({ dataSource, controller, jwks, isGlobal }: SessionModuleExtras): void {
  const rules: [wrong: boolean, mistake: string][] = [
    [
      dataSource !== undefined && (typeof dataSource !== 'string' || dataSource === ''),
      'option "dataSource": write the name of a TypeORM data source',
    ],
    [!isMount(controller), 'option "controller": write { path: \'session\' } with a path of yours, or false'],
    [!isMount(jwks), 'option "jwks": write { path: \'/.well-known/jwks.json\' } with a path of yours, or false'],
    [isGlobal !== undefined && typeof isGlobal !== 'boolean', 'option "isGlobal": write true or false'],
  ];
  const mistakes = rules.filter(([wrong]) => wrong).map(([, mistake]) => mistake);
  if (mistakes.length > 0) throw new SessionOptionsError(mistakes);
}

function isMount(value: unknown): boolean {
  if (value === undefined || value === false) return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'path') return false;
  const { path } = value as { path: unknown };
  return typeof path === 'string' && path !== '';
}
