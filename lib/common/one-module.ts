import type { ModulesContainer } from '@nestjs/core';

/** @throws Error when an application calls the module's `forRoot` more than once */
export function requireOneModule(modules: ModulesContainer, moduleName: string, moduleClass: object): void {
  const found = [...modules.values()].filter(({ metatype }) => metatype === moduleClass);
  if (found.length <= 1) return;
  throw new Error(
    `${moduleName}.forRoot is called twice in this application: keep one call, and import its result where it is needed`,
  );
}
