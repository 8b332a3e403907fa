import type { CanActivate } from '@nestjs/common';
import { SessionOptionsError } from './resolve-options.js';
import type { SessionModuleExtras } from './session-options.js';

/**
 * Checks the static options, when the module is declared.
 *
 * @throws SessionOptionsError
 */
export function checkExtras({ dataSource, controller, jwks, verify, isGlobal }: SessionModuleExtras): void {
  const rules: [wrong: boolean, mistake: string][] = [
    [
      dataSource !== undefined && (typeof dataSource !== 'string' || dataSource === ''),
      'option "dataSource": write the name of a TypeORM data source',
    ],
    [!isMount(controller), 'option "controller": write { path: \'session\' } with a path of yours, or false'],
    [!isMount(jwks), 'option "jwks": write { path: \'/.well-known/jwks.json\' } with a path of yours, or false'],
    [
      !isVerify(verify),
      'option "verify": write { guard: ServiceGuard } with a guard class of yours that lets in those who may ask about tokens, and a path if you like',
    ],
    [isGlobal !== undefined && typeof isGlobal !== 'boolean', 'option "isGlobal": write true or false'],
  ];
  const mistakes = rules.filter(([wrong]) => wrong).map(([, mistake]) => mistake);
  if (mistakes.length > 0) throw new SessionOptionsError(mistakes);
}

function isMount(value: unknown): boolean {
  if (value === undefined || value === false) return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'path') return false;
  return isPath((value as { path: unknown }).path);
}

function isVerify(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { guard, path, ...unknown } = value as { guard?: unknown; path?: unknown };
  const isGuard =
    typeof guard === 'function' && typeof (guard.prototype as Partial<CanActivate>)?.canActivate === 'function';
  return isGuard && (path === undefined || isPath(path)) && Object.keys(unknown).length === 0;
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
