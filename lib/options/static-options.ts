import type { CanActivate, Type } from '@nestjs/common';
import { Check, matching, mountedAt, type OptionCheck, text, trueOrFalse } from '../common/option-checks.js';
import { type Given, isObject, OptionGroup } from '../common/options.js';

/** Where the session controller is mounted by default. */
export const SESSION_PATH = 'session';

/** Options that must be known when the module is declared: written beside `useFactory`, never in its result. */
export class StaticSessionSettings extends OptionGroup {
  /** Name of the TypeORM data source. Default: the default one. */
  @Check(text('write the name of a TypeORM data source'))
  dataSource?: string = undefined;

  /** Where refresh, log-out and the list of devices are mounted; `false` mounts nothing. */
  @Check(mountedAt(SESSION_PATH))
  controller: { path: string } | false = { path: SESSION_PATH };

  /** Where the public keys are served; `false` mounts nothing. */
  @Check(mountedAt('/.well-known/jwks.json'))
  jwks: { path: string } | false = { path: '/.well-known/jwks.json' };

  /**
   * Lets other services ask whether an access token is valid (`POST`, RFC 7662); mounted only if a guard decides who
   * may ask. Default of the path: `verify` under the path of the controller.
   */
  @Check(guardWithPath('ask about tokens'))
  verify?: { guard: Type<CanActivate>; path?: string } = undefined;

  /**
   * Serves what was revoked, for services that verify access tokens without the database (`GET`); mounted only if a
   * guard decides who may read it. Needs `revocation.mode` `live`. Default of the path: `revocations` under the path of
   * the controller.
   */
  @Check(guardWithPath('read what was revoked'))
  revocations?: { guard: Type<CanActivate>; path?: string } = undefined;

  /** Whether the providers of the module are visible in all modules. */
  @Check(trueOrFalse())
  isGlobal = true;
}

export interface SessionModuleExtras extends Given<StaticSessionSettings> {}

function guardWithPath(callersDo: string): OptionCheck {
  return matching(
    isGuardWithPath,
    `write { guard: ServiceGuard } with a guard class that admits the services that may ${callersDo}; "path" is optional`,
  );
}

function isGuardWithPath(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { guard, path, ...others } = value as { guard?: unknown; path?: unknown };
  const isGuard =
    typeof guard === 'function' && typeof (guard.prototype as Partial<CanActivate>)?.canActivate === 'function';
  const isPath = path === undefined || (typeof path === 'string' && path !== '');
  return isGuard && isPath && Object.keys(others).length === 0;
}
