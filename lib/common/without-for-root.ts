import type { InjectionToken, ModuleMetadata } from '@nestjs/common';
import { SessionOptionsError } from './option-mistakes.js';

/**
 * The providers of a module that is imported without `forRoot`: none of them can be made. `forRoot` replaces these
 * providers.
 *
 * @param exported what other modules inject
 * @param internal what the module's own constructor injects
 */
export function withoutForRoot(
  moduleName: string,
  exported: InjectionToken[],
  internal: InjectionToken[] = [],
): ModuleMetadata {
  const refuse = (): never => {
    throw new SessionOptionsError([`write ${moduleName}.forRoot({ … }) in "imports", not ${moduleName}`], moduleName);
  };
  return {
    providers: [...exported, ...internal].map(provide => ({ provide, useFactory: refuse })),
    exports: exported as ModuleMetadata['exports'],
  };
}
